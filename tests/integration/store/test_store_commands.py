"""`bourn kvs`, `dump` and `restore` as a user types them, in real instances."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

PRELUDE = (
    'set -u; bourn() { "$PYTHON" -c "import sys; from bourn.cli.main import main; sys.exit(main())" "$@"; }\n'
)


def in_instance(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    start = "import sys; from bourn.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "start", *options, "--", "bash", "-c", PRELUDE + script]
    env = {**os.environ, "PYTHON": sys.executable}
    env.pop("BOURN_KVS_NAMESPACE", None)
    return subprocess.run(command, env=env, text=True, capture_output=True, timeout=120)


def lines(script: str, *options: str) -> list[str]:
    done = in_instance(script, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_keys() -> None:
    out = lines(
        """
        bourn kvs put a.b=1 a.c=two 'j={"x": 1}'
        bourn kvs get a.b a.c j
        bourn kvs get -l a.b
        bourn kvs ls; bourn kvs ls -F; bourn kvs ls a
        bourn kvs dir -R; bourn kvs dir -d a
        bourn kvs link a.b l; bourn kvs get l; bourn kvs readlink l; bourn kvs get -t l
        bourn kvs put -A a.b=2; bourn kvs get a.b
        bourn kvs copy a z; bourn kvs move z.b z.d; bourn kvs ls z
        bourn kvs mkdir e; bourn kvs unlink e; bourn kvs unlink -f e; bourn kvs unlink -R z; bourn kvs ls
        bourn kvs put -s n=1; bourn kvs version; bourn kvs wait 3
        """
    )
    assert out == [
        *("1", "two", '{"x": 1}', "a.b=1", "a", "j", "a.", "j", "b", "c"),
        *("a.b = 1", "a.c = two", 'j = {"x": 1}', "a.b", "a.c"),
        *("1", "a.b", '{"ver": 1, "type": "symlink", "data": "a.b"}', "12", "c", "d"),
        *("a", "j", "l", "9", "9"),
    ]


def test_what_goes_wrong_is_one_line() -> None:
    for script, status, message in (
        ("bourn kvs get nope", 1, "bourn-kvs: error: key nope does not exist"),
        ("bourn kvs put x", 1, "bourn-kvs: error: 'x' is not KEY=VALUE"),
        ("bourn kvs put a.b=1; bourn kvs unlink a", 1, "bourn-kvs: error: a: the directory is not empty"),
        ("bourn kvs gte x", 2, "no such command 'gte'; did you mean 'get'?"),
        ("bourn kvs put -j x={", 1, "bourn-kvs: error: x: the value is not JSON"),
        ("bourn kvs get --at=9 x", 1, "has no version 9"),
        ("bourn restore /dev/null", 1, "nothing was sent to restore"),
        ("bourn restore /etc/passwd", 1, "not a dump of Bourn"),
        ("bourn restore /no/such/file", 1, "/no/such/file: No such file or directory"),
    ):
        done = in_instance(script)
        assert done.returncode == status, (script, done)
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_snapshots_namespaces_and_watches(tmp_path: Path) -> None:
    out = lines(
        f"""
        bourn kvs put a=1; root=$(bourn kvs getroot); bourn kvs put a=2
        bourn kvs get --at="$root" a; bourn kvs get a
        bourn kvs namespace create mine; bourn kvs put -N mine a=3; bourn kvs get -N mine a
        bourn kvs namespace list | wc -l; bourn kvs namespace remove mine
        bourn kvs get -w -c 3 a > {tmp_path}/watched &
        bourn kvs get -W late > {tmp_path}/late &
        until [ -s {tmp_path}/watched ]; do :; done
        bourn kvs put a=4; bourn kvs put late=yes; bourn kvs put a=5; wait
        cat {tmp_path}/watched {tmp_path}/late
        """
    )
    assert out == ["1", "2", "3", "3", "2", "4", "5", "yes"]


def test_eventlogs() -> None:
    out = lines(
        """
        bourn kvs eventlog append -t 1 log first; bourn kvs eventlog append -t 2.5 log second '{"a": [1]}'
        bourn kvs eventlog append -t 3 log third k=1 w=x
        bourn kvs eventlog get log; bourn kvs eventlog get -u -c 1 log
        bourn kvs eventlog wait-event -u log second
        """
    )
    assert out == [
        "1.000000 first",
        "2.500000 second a=[1]",
        '3.000000 third k=1 w="x"',
        '{"timestamp":1.0,"name":"first"}',
        '{"timestamp":2.5,"name":"second","context":{"a":[1]}}',
    ]


def test_dump_and_restore(tmp_path: Path) -> None:
    first, second, file = tmp_path / "first", tmp_path / "second", tmp_path / "saved.tar"
    first.mkdir()
    second.mkdir()
    before = lines(
        f"""
        bourn kvs put a.b=1
        id=$(bourn submit echo hello); bourn queue drain
        bourn job attach $id; bourn jobs -a -o '{{id}} {{result}}' | tail -1
        bourn dump -q {file}
        """,
        f"-Sstatedir={first}",
    )
    assert before[0] == "hello"
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert names[0] == "dump.json"
    assert names[-1] == "end.json"
    after = lines(
        f"""
        bourn restore -q {file}
        bourn kvs get a.b
        bourn jobs -a -o '{{id}} {{result}}' | tail -1
        bourn submit true >/dev/null; bourn queue drain
        bourn restore {file} 2>&1; true
        """,
        f"-Sstatedir={second}",
    )
    assert after[:2] == ["1", before[1]]
    assert "holds jobs" in after[2]
    assert lines("bourn jobs -a -o '{id}' | wc -l", f"-Sstatedir={second}") == ["3"]  # with the heading


def test_a_statedir_in_use_is_refused(tmp_path: Path) -> None:
    script = f'bourn start -S statedir={tmp_path} true; echo "status $?"'
    done = in_instance(script, f"-Sstatedir={tmp_path}")
    assert "status 1" in done.stdout
    assert "in use by the broker with process id" in done.stderr
