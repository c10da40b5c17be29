"""Brokers that don't come: the others say which, and end."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.instance import Shell

LATE = """\
#!/bin/sh
[ $PMI_RANK = {late} ] && exec sleep 1000
exec bourn start --conf bootstrap.timeout=1s true
"""
SAID = "rank {late} hasn't come within 1 s (PMI; [bootstrap] timeout)"


@pytest.mark.parametrize(("job", "late"), [("-N1 -n2", 1), ("-N2 -n2", 1), ("-N2 -n2", 0)])
def test_tasks_of_an_instance(sh: Shell, job: str, late: int) -> None:
    said = SAID.format(late=late)
    sh.write("late", LATE.format(late=late))
    found = sh(f"bourn start -s2 bourn run {job} ./late")
    assert found.code != 0
    assert f"bourn-start: error: {said}" in found.err.splitlines()
    assert f"called abort with exit code 1: {said}" in found.err


@pytest.mark.skipif(not shutil.which("mpiexec.hydra"), reason="MPICH's mpiexec.hydra isn't installed")
def test_tasks_of_mpiexec(sh: Shell) -> None:
    sh.write("late", LATE.format(late=1))
    found = sh("mpiexec.hydra -n 2 ./late")
    assert found.code != 0
    assert found.err.startswith("bourn-start: error: not all of the 2 brokers have come within 1 s (PMI; ")
