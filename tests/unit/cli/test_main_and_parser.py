import pytest

from bourn.cli import main as cli
from bourn.cli.parser import Parser
from bourn.errors import BournError


def make():
    parser = Parser(prog="bourn queue")
    status = parser.add_commands().add("status", "show it")
    status.add_argument("-v", "--verbose", action="store_true")
    status.add_argument("name", nargs="?", choices=["all", "none"])
    return parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("stats", "bourn-queue: error: no such command 'stats'; did you mean 'status'?\n"),
        (
            "status --verbsoe",
            "bourn-queue-status: error: unknown option '--verbsoe'; did you mean '--verbose'?\n",
        ),
        ("status all x", "bourn-queue-status: error: unexpected argument 'x'\n"),
        ("status al", "bourn-queue-status: error: argument name: invalid choice 'al'; did you mean 'all'?\n"),
    ],
)
def test_usage_errors_are_one_line_with_the_nearest_name(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        make().parse_args(words.split())
    assert stop.value.code == 2
    assert capsys.readouterr().err == message


def test_unknown_verb(capsys):
    assert cli.main(["submti"]) == 1
    assert capsys.readouterr().err == "bourn: error: no such command 'submti'; did you mean 'submit'?\n"


def test_every_verb_has_a_module_that_exists():
    from importlib.util import find_spec

    for verb, (target, summary) in cli.VERBS.items():
        assert find_spec(f"bourn.cli.{target.partition(':')[0]}"), verb
        assert summary


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (BournError("no luck"), 1, "bourn-jobs: error: no luck\n"),
        (
            FileNotFoundError(2, "No such file or directory", "x"),
            1,
            "bourn-jobs: error: x: No such file or directory\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_one_line(error, status, message, monkeypatch, capsys):
    def fail(args):
        raise error

    monkeypatch.setattr(cli, "_resolve", lambda verb: fail)
    assert cli.main(["jobs"]) == status
    assert capsys.readouterr().err == message


def test_a_terminal_without_utf8_gets_ids_it_can_show():
    import subprocess
    import sys

    script = "from bourn.cli.main import main; main(['job', 'id', '--to=f58', '0'])"
    environ = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, check=True)
    assert done.stdout == b"f1\n"
