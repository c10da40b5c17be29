"""A shell host by itself: real processes, from start to wait status."""

import os
import signal
import time

import msgspec

from bourn.shell.wire import Start
from tests.integration.shell.host_client import HostClient, jobspec


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def until_gone(*pids):
    while any(alive(pid) for pid in pids):
        time.sleep(0.005)


def test_exit_codes_signals_and_what_can_t_be_started():
    with HostClient() as host:
        host.run(
            ["true"],
            ["sh", "-c", "exit 3"],
            ["sh", "-c", "kill -9 $$"],
            ["no-such-command"],
            ["/no/such/file"],
            ["/etc/passwd"],
            ["/etc"],
        )
        assert host.wait(*range(1, 8)) == [0, 3 << 8, 9, 127 << 8, 127 << 8, 126 << 8, 126 << 8]
        assert host.failures == {
            4: ["no-such-command: command not found"],
            5: ["/no/such/file: No such file or directory"],
            6: ["/etc/passwd: Permission denied"],
            7: ["/etc: Is a directory"],
        }
        assert sorted(host.started) == list(range(1, 8))


def test_a_missing_interpreter_is_named(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with HostClient() as host:
        host.run([str(script)])
        assert host.wait(1) == [126 << 8]
        assert host.failures[1] == [f"{script}: its interpreter doesn't exist: /no/such/interpreter"]


def test_what_is_no_program_is_named(tmp_path):
    def file(name, data):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o755)
        return [str(tmp_path / name)]

    other = 183 if os.uname().machine != "aarch64" else 62
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
    with HostClient() as host:
        host.run(
            file("plain", b"echo hello\n"),
            file("empty", b""),
            file("other", head + bytes([other, 0]) + bytes(44)),
            file("damaged", head + bytes([62 if other == 183 else 183, 0]) + bytes(44)),
            file("windows", b"#!/bin/sh\r\necho hello\r\n"),
            [""],
        )
        codes = host.wait(*range(1, 7))
        said = {id: host.failures[id][0] for id in range(1, 7)}
    assert codes == [126 << 8] * 5 + [127 << 8]
    assert said[1].endswith("plain: it is no program, and has no #! line that names its interpreter")
    assert said[2].endswith("empty: the file is empty")
    machine = "aarch64" if other == 183 else "x86_64"
    assert said[3].endswith(f"other: it is a program for {machine}, this machine is {os.uname().machine}")
    assert said[4].split(": ")[1].startswith(("it is a damaged program", "it is a program for"))
    assert said[5].endswith(
        "windows: its interpreter doesn't exist: /bin/sh (the line ends with a carriage return)"
    )
    assert said[6] == "'' (an empty word): command not found"


def test_a_missing_working_directory_is_named_and_nothing_runs(tmp_path):
    with HostClient() as host:
        host.run(["touch", str(tmp_path / "ran")], cwd="/no/such/folder")
        assert host.wait(1) == [126 << 8]
        assert host.failures[1] == ["working directory /no/such/folder: No such file or directory"]
    assert not list(tmp_path.iterdir())


def test_the_path_of_the_job_finds_the_program(tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    with HostClient() as host:
        host.run(["tool"], environment={"PATH": f"/nowhere:{tmp_path}"})
        assert host.wait(1) == [0]
        assert host.text(1) == "found\n"


def test_environment_and_overrides():
    script = (
        'echo "$BOURN_JOB_ID $BOURN_URI $BOURN_TASK_RANK/$BOURN_JOB_SIZE $CC ${GONE-unset} ${HOME-unset}"'
    )
    with HostClient() as host:
        host.send(
            specs=[(1, jobspec(["/bin/sh", "-c", script], environment={"CC": "0", "GONE": "x", "N": None}))],
            start=[
                Start(57, 1),
                Start(
                    58,
                    1,
                    overrides={
                        "attributes.system.environment.CC": "1",
                        "attributes.system.environment.GONE": None,
                    },
                ),
            ],
        )
        host.wait(57, 58)
        assert host.text(57) == "ƒz local:///test 0/1 0 x unset\n"
        assert host.text(58) == "ƒ21 local:///test 0/1 1 unset unset\n"


def test_an_override_of_anything_else_holds_for_its_job_only(tmp_path):
    with HostClient() as host:
        host.send(
            specs=[(1, jobspec(["pwd"]))],
            start=[Start(1, 1), Start(2, 1, overrides={"attributes.system.cwd": str(tmp_path)}), Start(3, 1)],
        )
        host.wait(1, 2, 3)
        assert [host.text(id) for id in (1, 2, 3)] == ["/tmp\n", f"{tmp_path}\n", "/tmp\n"]


def test_many_tasks_of_one_job_and_the_worst_status_wins():
    script = 'echo "$BOURN_TASK_RANK"; exit $BOURN_TASK_LOCAL_ID'
    with HostClient() as host:
        host.send(specs=[(1, jobspec(["sh", "-c", script]))], start=[Start(1, 1, None, 4, 2, 8)])
        assert host.wait(1) == [3 << 8]
        assert sorted(host.text(1).split()) == ["2", "3", "4", "5"]
        ranks = {e["context"]["rank"] for e in host.output[1]}
        assert ranks == {"2", "3", "4", "5"}


def test_five_hundred_jobs_at_once():
    with HostClient() as host:
        ids = range(1, 501)
        host.send(
            specs=[(1, jobspec(["sh", "-c", "echo $BOURN_JOB_ID"]))], start=[Start(id, 1) for id in ids]
        )
        assert host.wait(*ids) == [0] * 500
        assert len({host.text(id) for id in ids}) == 500
        assert host.started == list(ids)
        assert host.reports == list(range(1, len(host.reports) + 1))


def test_a_signal_reaches_the_whole_process_group_and_no_other_job():
    with HostClient() as host:
        host.run(["sh", "-c", "sleep 1000 & echo $!; wait"], ["sleep", "1000"])
        host.until(lambda: host.text(1).endswith("\n") and len(host.started) == 2)
        child = int(host.text(1))
        host.send(kill=[(1, signal.SIGTERM)])
        assert host.wait(1) == [signal.SIGTERM]
        until_gone(child)
        assert 2 not in host.status
        host.send(kill=[(2, signal.SIGKILL)])
        assert host.wait(2) == [signal.SIGKILL]


def test_a_signal_for_a_job_that_waits_for_its_turn_isn_t_lost():
    with HostClient() as host:
        ids = range(1, 101)
        host.send(
            specs=[(1, jobspec(["sleep", "1000"]))],
            start=[Start(id, 1) for id in ids],
            kill=[(id, signal.SIGTERM) for id in ids],
        )
        assert host.wait(*ids) == [signal.SIGTERM] * 100


def test_what_a_task_leaves_in_the_background_ends_with_its_job():
    script = "sleep 1000 >/dev/null 2>&1 & echo $!"
    with HostClient() as host:
        host.run(["sh", "-c", script])
        assert host.wait(1) == [0]
        until_gone(int(host.text(1)))


def test_a_background_process_that_holds_the_output_keeps_the_job_until_it_is_killed():
    with HostClient() as host:
        host.run(["sh", "-c", "(trap '' TERM; echo late; exec sleep 1000) & exit 5"])
        host.until(lambda: "late" in host.text(1))
        assert 1 not in host.status
        host.send(kill=[(1, signal.SIGKILL)])
        assert host.wait(1) == [5 << 8]


def test_tasks_start_with_default_signals_no_stray_descriptors_and_their_own_group():
    script = "grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd; ps -o pgid= -p $$; echo $$"
    with HostClient() as host:
        host.run(["sh", "-c", script])
        host.wait(1)
        lines = host.text(1).split("\n")
        assert lines[0].split() == ["SigBlk:", "0" * 16]
        # 32 and 33 are the C library's own.
        assert int(lines[1].split()[1], 16) & 0x7FFFFFFF == 0
        # 3 is the directory that ls itself reads.
        assert lines[2:6] == ["0", "1", "2", "3"]
        assert lines[6].strip() == lines[7]


def test_the_temporary_directory_is_private_and_fresh():
    script = 'stat -c %a "$BOURN_JOB_TMPDIR"; ls "$BOURN_JOB_TMPDIR"; touch "$BOURN_JOB_TMPDIR/x"'
    with HostClient() as host:
        for id in range(1, 6):
            host.run(["sh", "-c", script], first=id)
            host.wait(id)
            assert host.text(id) == "700\n"


def test_a_host_that_is_told_to_end_leaves_nothing():
    with HostClient() as host:
        host.run(["sh", "-c", "trap '' TERM; setsid sleep 1000 & echo $$ $!; wait"])
        host.until(lambda: host.text(1).endswith("\n"))
        pids = [int(word) for word in host.text(1).split()]
        host.send(end=True)
        assert host.process.wait() == 0
        until_gone(*pids)
        assert os.listdir(host.folder) == ["host.sock"]


def test_unlike_jobspecs_share_an_environment_that_came_once():
    bodies = [
        msgspec.json.decode(jobspec(["sh", "-c", f"echo {n} $SHARED"], options))
        for n, options in enumerate(({}, {}, {"isolate": True}))
    ]
    for body in bodies:
        del body["attributes"]["system"]["environment"]
    texts = [msgspec.Raw(msgspec.json.encode(body)) for body in bodies]
    shared = msgspec.Raw(msgspec.json.encode({"PATH": os.environ["PATH"], "SHARED": "here", "GONE": None}))
    with HostClient() as host:
        host.send(environments=[(7, shared)], parted=[(1, texts[0], 7)], start=[Start(1, 1)])
        host.send(
            parted=[(2, texts[1], 7), (3, texts[2], 7)],
            start=[Start(2, 2, {"attributes.system.environment.SHARED": "own"}), Start(3, 3)],
        )
        assert host.wait(1, 2, 3) == [0, 0, 0]
        assert [host.text(id) for id in (1, 2, 3)] == ["0 here\n", "1 own\n", "2 here\n"]
