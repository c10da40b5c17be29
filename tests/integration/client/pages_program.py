"""Runs the Python of pages in an instance: each block as it stands, in the order of the page.

A block that needs a handle finds an open one as `h`; `sleep` is a program that is soon over, see the test.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import bourn

PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main(pages: list[str]) -> None:
    for page in pages:
        text = Path(page).read_text(encoding="utf-8")
        names: dict[str, object] = {"__name__": "page", "names": sys.argv[1].split(",")}
        for found in PYTHON.finditer(text):
            if "hookimpl" in found[1]:
                continue  # a plugin's file, which tests of its own install
            line = text.count("\n", 0, found.start()) + 1
            # A campaign of ten thousand says nothing that twenty don't.
            code = compile("\n" * line + found[1].replace("1-10000", "1-20"), page, "exec")
            with bourn.Handle() as h:
                names["h"] = h
                exec(code, names)
            print(f"{Path(page).name}:{line} runs")


if __name__ == "__main__":
    main(sys.argv[2:])
