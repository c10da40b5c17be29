"""Writes the README's picture from a real session: `python docs/make_pictures.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
SESSION = [
    "bourn resource list",
    "bourn run -n4 -l sh -c 'echo hello from task $BOURN_TASK_RANK'",
    "bourn submit --cc=1-2000 --quiet true && bourn queue drain",
    "bourn submit -n16 --job-name=simulation --time-limit=1h sleep 3600",
    "bourn submit -n4 --job-name=analysis --dependency=afterok:$(bourn job last) true",
    "bourn submit --job-name=oversized -n64 true",
    "bourn jobs",
    "bourn jobs --stats-only",
]
NODE = 'resource.config=[{hosts="laptop",cores="0-15",gpus="0-1"}]'


def run() -> list[tuple[str, str]]:
    """Run the session in an instance; return (command, output) pairs."""
    bourn = Path(sys.executable).with_name("bourn")
    with tempfile.TemporaryDirectory() as work:
        script = Path(work) / "session"
        # Marks that can't be in the output tell the commands apart.
        lines = [f"printf '\\001'; {{ {command}; }} 2>&1" for command in SESSION]
        script.write_text("\n".join(lines))
        environ = {**os.environ, "PATH": f"{bourn.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            [bourn, "start", "--conf", NODE, "sh", str(script)],
            env=environ,
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
    outputs = done.stdout.split("\001")[1:]
    return list(zip(SESSION, outputs, strict=True))


def main() -> None:
    """Write images/session.svg."""
    console = Console(record=True, width=92, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    for command, output in run():
        console.print(Text("$ ", style="bold green") + Text(command, style="bold"))
        if output.rstrip():
            console.print(Text(output.rstrip("\n")), soft_wrap=True)
    IMAGES.mkdir(exist_ok=True)
    picture = IMAGES / "session.svg"
    console.save_svg(str(picture), title="bourn start")
    print(picture)


if __name__ == "__main__":
    main()
