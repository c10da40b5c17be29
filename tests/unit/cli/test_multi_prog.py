"""The file of `bourn multi-prog`."""

import pytest

from bourn.cli.multi_prog import Programs, main
from bourn.errors import BournError

FILE = """
# ocean and air
0      ocean --rank %t '100%%' "a b"
2,4-5  air %t/%o
*      rest %t:%o
"""


def test_each_task_finds_its_line():
    programs = Programs(FILE.splitlines(), "f")
    assert programs.command(0) == ["ocean", "--rank", "0", "100%", "a b"]
    assert programs.command(2) == ["air", "2/0"]
    assert programs.command(5) == ["air", "5/2"]
    assert programs.command(1) == ["rest", "1:0"]
    assert programs.command(3) == ["rest", "3:1"]
    assert programs.command(6) == ["rest", "6:2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-", "f: line 1: "),
        ("0", "f: line 1: no command follows the task ranks"),
        ("0 a\n\n0-1 b", "f: line 3: task 0 has a program already, in line 1"),
        ("0 'a", "f: line 1: No closing quotation"),
        ("0 a %x", "f: line 1: %x: right is %t, %o, or %% for a percent sign"),
    ],
)
def test_wrong_files(text, message):
    with pytest.raises(BournError) as caught:
        Programs(text.splitlines(), "f")
    assert message in caught.value.message


def test_a_task_without_a_line():
    with pytest.raises(BournError, match="f: no line is for task 7"):
        Programs(["0-6 true"], "f").command(7)


def test_dry_run(tmp_path, capsys):
    file = tmp_path / "f"
    file.write_text("0 echo 'a b'\n* sleep %o\n")
    assert main(["-n", "0-2", str(file)]) == 0
    assert capsys.readouterr().out == "0: echo 'a b'\n1: sleep 0\n2: sleep 1\n"


def test_outside_a_job(tmp_path, monkeypatch):
    monkeypatch.delenv("BOURN_TASK_RANK", raising=False)
    file = tmp_path / "f"
    file.write_text("* true\n")
    with pytest.raises(BournError, match="BOURN_TASK_RANK isn't set"):
        main([str(file)])
    with pytest.raises(BournError, match="No such file"):
        main([str(tmp_path / "nothing")])
