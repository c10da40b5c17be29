"""`bourn help`, its topics, and `bourn completion`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bourn.cli.completion import FAMILIES, JOBS, SCRIPTS, script
from bourn.cli.main import SECTIONS, VERBS, main
from bourn.cli.topics import NAMES, topic

BIN = Path(sys.executable).parent


def test_no_command_stands_in_two_sections():
    listed = [verb for verbs in SECTIONS.values() for verb in verbs]
    assert len(set(listed)) == len(listed)
    assert set(listed) <= set(VERBS)


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["-h"]])
def test_help_lists_all_commands(words, capsys):
    assert main(words) == 0
    out = capsys.readouterr().out
    for verb, (_, summary) in VERBS.items():
        assert f"  {verb} " in out
        assert summary in out


@pytest.mark.parametrize("name", NAMES)
def test_topics(name, capsys):
    assert main(["help", name]) == 0
    assert capsys.readouterr().out.strip() == topic(name).strip()
    assert name not in VERBS
    assert all(len(line) <= 112 for line in topic(name).splitlines())


def test_help_of_a_command_of_a_command(capsys):
    with pytest.raises(SystemExit):
        main(["help", "job", "attach"])
    assert capsys.readouterr().out.startswith("usage: bourn job attach")
    assert main(["help", "nonsense"]) == 1
    assert capsys.readouterr().err == "bourn: error: no such command 'nonsense'; see `bourn help`\n"


def test_what_is_missing_is_named(capsys):
    for words, message in (
        (["job", "info"], "bourn-job-info: error: JOBID is missing; see `bourn job info --help`\n"),
        (["kvs", "put"], "bourn-kvs-put: error: KEY=VALUE is missing; see `bourn kvs put --help`\n"),
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert capsys.readouterr().err == message
    with pytest.raises(SystemExit):
        main(["queue"])
    assert capsys.readouterr().err.startswith("bourn-queue: error: name a command: ")


def test_families_are_the_commands_that_have_commands():
    assert set(FAMILIES) <= set(VERBS)
    assert set(JOBS) <= set(VERBS)


@pytest.mark.parametrize("shell", list(SCRIPTS))
def test_the_shell_can_read_its_script(shell):
    text = script(shell)
    assert "@" not in text.replace("${at[@]}", "")
    program = shutil.which("bash" if shell == "zsh" else shell)
    if program is None:
        pytest.skip(f"{shell} isn't installed")
    if shell != "zsh":
        subprocess.run([program, "-n"], input=text, text=True, check=True)


def test_bash_completes():
    """Commands, sub-commands and options, as the keys would ask for them."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash isn't installed")

    def complete(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        call = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _bourn; echo ${{COMPREPLY[@]}}"
        env = {"PATH": f"{BIN}:/usr/bin:/bin"}
        found = subprocess.run(
            [bash, "-c", f"{script('bash')}\n{call}"], env=env, capture_output=True, text=True, check=True
        )
        return found.stdout.split()

    assert complete("bourn", "sub") == ["submit"]
    assert complete("bourn", "job", "wait") == ["wait", "wait-event"]
    assert complete("bourn", "jobs", "--rec") == ["--recursive"]
    assert complete("bourn", "job", "attach", "--label") == ["--label-io"]
