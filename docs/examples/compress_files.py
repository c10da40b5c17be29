"""Compress each file of a directory in a job of its own, with more cores for a big file: DIRECTORY."""

import sys
from pathlib import Path

import bourn
from bourn import Jobspec

MEGABYTE = 1 << 20

with bourn.Handle() as h:
    ids = {}
    for file in sorted(Path(sys.argv[1]).iterdir()):
        cores = 4 if file.stat().st_size > MEGABYTE else 1
        ids[file.name] = bourn.job.submit(h, Jobspec.from_command(["gzip", str(file)], cores_per_task=cores))
    for name, id in ids.items():
        info = bourn.job.result(h, id)
        print(name, info.ncores, info.result)
