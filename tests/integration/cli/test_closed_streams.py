"""Commands whose caller has closed standard input, output or error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Shell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_an_instance_and_a_job(tmp_path: Path, closed: str) -> None:
    sh = Shell(tmp_path, TMPDIR=str(tmp_path))
    found = sh(f"bourn start -s2 bourn run -N2 sh -c 'echo there >> {tmp_path}/said' {closed}")
    assert (found.code, found.out, found.err) == (0, "", "")
    assert (tmp_path / "said").read_text() == "there\n" * 2


def test_a_script_that_should_come_from_nowhere(tmp_path: Path) -> None:
    found = Shell(tmp_path)("bourn batch <&-")
    assert (found.code, found.err) == (1, "bourn-batch: error: standard input: the script is empty\n")
