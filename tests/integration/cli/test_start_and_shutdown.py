import json
import subprocess
import sys
from pathlib import Path

BOURN = str(Path(sys.executable).with_name("bourn"))


def start(*words, **kwargs):
    return subprocess.run(
        [BOURN, "start", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, **kwargs
    )


def test_the_readme_command():
    found = start(BOURN, "run", "hostname")
    assert (found.returncode, found.stderr) == (0, "")
    assert len(found.stdout.splitlines()) == 1


def test_status_and_options_of_the_program():
    assert start("--", "sh", "-c", "exit 9").returncode == 9
    assert start("sh", "-c", f"{BOURN} getattr color", "-S").returncode == 1
    assert start("-S", "color=blue", "--", BOURN, "getattr", "color").stdout == "blue\n"
    assert start("-o,-Scolor=red", BOURN, "getattr", "color").stdout == "red\n"


def test_configuration_from_files_and_options(tmp_path):
    (tmp_path / "a.toml").write_text('[resource]\nconfig = [{hosts = "x", cores = "0-3"}]\n')
    assert start("-c", str(tmp_path), BOURN, "resource", "info").stdout == "1 Nodes, 4 Cores, 0 GPUs\n"
    found = start("--conf=exec.metod=mock", "true")
    assert found.returncode == 1
    assert "did you mean 'method'" in found.stderr


def test_state_is_kept(tmp_path):
    statedir = f"-Sstatedir={tmp_path}"
    id = start(statedir, BOURN, "submit", "--wait", "true").stdout.strip()
    listing = start(statedir, BOURN, "jobs", "-a", "--json").stdout
    assert [job["status"] for job in json.loads(listing)["jobs"]] == ["COMPLETED"]
    assert start(statedir, BOURN, "job", "last").stdout.strip() == id


def test_shutdown_ends_the_program(tmp_path):
    found = start("sh", "-c", f"{BOURN} shutdown; sleep 60")
    assert found.returncode == 0


def test_bad_options():
    assert "must be ATTRIBUTE=VALUE" in start("-S", "statedir", "true").stderr
    assert "did you mean '--setattr'" in start("--setatr=a=b", "true").stderr
    found = start("no-such-program")
    assert (found.returncode, found.stderr) == (
        127,
        "bourn-start: error: no-such-program: command not found\n",
    )
