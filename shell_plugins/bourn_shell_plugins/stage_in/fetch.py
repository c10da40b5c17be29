"""`python -m bourn_shell_plugins.stage_in.fetch`: extract archives for the shell host, which mustn't wait.

It takes one JSON object, {uri, names, pattern, folder}, and answers with {error: "" or the reason}.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress

from bourn.client import archive
from bourn.client.handle import Handle
from bourn.errors import BournError


def main() -> None:
    """Extract; answer."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_the_job, daemon=True).start()
    error = ""
    try:
        with Handle(job["uri"]) as h:
            for name in job["names"]:
                archive.extract(h, name, job["folder"], job["pattern"], overwrite=True)
    except BournError as refused:
        error = refused.message
    except OSError as failed:
        error = f"{failed.filename}: {failed.strerror}" if failed.filename else str(failed)
    with suppress(BrokenPipeError):  # the job has ended
        os.write(1, json.dumps({"error": error}).encode())


def _leave_with_the_job() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
