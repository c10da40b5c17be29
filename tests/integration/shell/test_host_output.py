"""Output and input of tasks: order, ends, bytes that aren't text, files, floods."""

import base64
import os

from bourn.shell.wire import Start
from tests.integration.shell.host_client import HostClient, jobspec


def test_text_comes_in_order_and_each_stream_ends_once():
    with HostClient() as host:
        host.run(["sh", "-c", "for i in 1 2 3; do echo $i; done; echo grün >&2"])
        host.wait(1)
        assert host.text(1) == "1\n2\n3\n"
        assert host.text(1, "stderr") == "grün\n"
        ends = [e["context"]["stream"] for e in host.output[1] if e["context"].get("eof")]
        assert sorted(ends) == ["stderr", "stdout"]
        assert all(e["name"] == "data" for e in host.output[1])


def test_a_silent_job_leaves_no_log():
    with HostClient() as host:
        host.run(["true"])
        host.wait(1)
        assert host.output == {}


def test_bytes_that_aren_t_text_are_kept():
    with HostClient() as host:
        host.run(["printf", r"\377\376\001a"])
        host.wait(1)
        context = host.output[1][0]["context"]
        assert context["encoding"] == "base64"
        assert base64.b64decode(context["data"]) == b"\xff\xfe\x01a"


def test_a_character_that_is_written_in_two_pieces_is_not_cut():
    with HostClient() as host:
        host.run(["sh", "-c", r"printf '\342\202'; sleep 0.1; printf '\254'"])
        host.wait(1)
        assert host.text(1) == "€"


def test_lines_of_parallel_tasks_aren_t_mixed():
    with HostClient() as host:
        script = "printf a$BOURN_TASK_RANK; sleep 0.05; echo b; printf end"
        host.send(specs=[(1, jobspec(["sh", "-c", script]))], start=[Start(1, 1, None, 3, 0, 3)])
        host.wait(1)
        pieces = [e["context"]["data"] for e in host.output[1] if "data" in e["context"]]
        assert sorted(pieces) == ["a0b\n", "a1b\n", "a2b\n", "end", "end", "end"]


def test_files_with_templates(tmp_path):
    options = {
        "output": {"stdout": {"type": "file", "path": str(tmp_path / "{{name}}-{{id}}-{{taskid}}.out")}}
    }
    spec = jobspec(["sh", "-c", "echo out $BOURN_TASK_RANK; echo err >&2"], options, job={"name": "demo"})
    with HostClient() as host:
        host.send(specs=[(1, spec)], start=[Start(5, 1, None, 2, 0, 2)])
        host.wait(5)
        redirects = [e["context"]["path"] for e in host.output[5] if e["name"] == "redirect"]
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["demo-ƒ6-0.out", "demo-ƒ6-1.out"]
    assert [file.read_text() for file in files] == ["out 0\nerr\n", "out 1\nerr\n"]
    assert sorted(set(redirects)) == [str(file) for file in files]


def test_a_relative_file_truncated_or_appended_to(tmp_path):
    def options(mode):
        return {"output": {"stdout": {"path": "log"}, "stderr": {"type": "none"}, "mode": mode}}

    with HostClient() as host:
        for id, mode in enumerate(("truncate", "append", "append", "truncate", "append"), 1):
            host.run(["echo", str(id)], first=id, options=options(mode), cwd=str(tmp_path))
            host.wait(id)
    assert (tmp_path / "log").read_text() == "4\n5\n"


def test_labels_in_a_file(tmp_path):
    options = {"output": {"stdout": {"type": "file", "path": "log", "label": True}}}
    with HostClient() as host:
        spec = jobspec(["sh", "-c", r"echo a; printf 'b\rc'"], options, cwd=str(tmp_path))
        host.send(specs=[(1, spec)], start=[Start(1, 1, None, 2, 0, 2)])
        host.wait(1)
    lines = (tmp_path / "log").read_bytes().split(b"\n")
    assert sorted(lines) == [b"", b"0: a", b"0: b\rc", b"1: a", b"1: b\rc"]


def test_a_file_that_can_t_be_written_fails_the_job():
    with HostClient() as host:
        host.run(["true"], options={"output": {"stdout": {"type": "file", "path": "/no/such/x"}}})
        assert host.wait(1) == [126 << 8]
        assert host.failures[1] == ["output file /no/such/x: No such file or directory"]


def test_the_limit_cuts_with_a_mark():
    with HostClient() as host:
        host.run(["sh", "-c", "yes | head -c 100000"], options={"output": {"limit": "1k"}})
        assert host.wait(1) == [0]
        assert host.text(1) == "y\n" * 512
        assert host.text(1, "stderr") == "bourn: the job's output is cut here (-o output.limit)\n"


def test_a_flood_waits_for_the_store():
    with HostClient() as host:
        host.run(["sh", "-c", "yes | head -c 20000000; echo done >&2"])
        # Not acknowledged, the host takes a bounded amount and leaves the rest in the pipe.
        host.until(lambda: len(host.text(1)) >= 1 << 20, ack=False)
        assert not host.text(1, "stderr")
        assert len(host.text(1)) < 2 << 20
        host.send(ack=host.seq)
        assert host.wait(1) == [0]
        assert len(host.text(1)) == 20_000_000


def test_input_from_clients_is_exact_and_ends():
    data = os.urandom(300_000)
    options = {"input": {"stdin": {"type": "service"}}}
    with HostClient() as host:
        host.run(["sh", "-c", "sleep 0.1; sha256sum; wc -c"], ["cat"], options=options)
        host.feed(1, data)
        host.feed(1, b"", eof=True)
        host.feed(2, b"", eof=True)
        assert host.wait(1, 2) == [0, 0]
        import hashlib

        assert host.text(1).split()[0] == hashlib.sha256(data).hexdigest()
        assert host.text(2) == ""


def test_input_is_taken_only_when_it_is_read():
    options = {"input": {"stdin": {"type": "service"}}}
    with HostClient() as host:
        host.run(["sh", "-c", "read x; echo got; sleep 1000"], options=options)
        small = host.feed(1, b"line\n")
        big = host.feed(1, b"x" * 300_000)
        host.until(lambda: "got" in host.text(1) and small in host.taken)
        assert big not in host.taken
        host.send(kill=[(1, 9)])
        host.until(lambda: big in host.taken)


def test_input_for_some_tasks_only():
    options = {"input": {"stdin": {"type": "service", "ranks": "1"}}}
    with HostClient() as host:
        spec = jobspec(["sh", "-c", 'echo "$BOURN_TASK_RANK$(cat)"'], options)
        host.send(specs=[(1, spec)], start=[Start(1, 1, None, 3, 0, 3)])
        host.feed(1, b"!", eof=True)
        host.wait(1)
        assert sorted(host.text(1).split()) == ["0", "1!", "2"]


def test_input_from_a_file(tmp_path):
    (tmp_path / "in-1").write_text("text")
    with HostClient() as host:
        host.run(["cat"], options={"input": {"stdin": {"path": "in-{{size}}"}}}, cwd=str(tmp_path))
        host.run(["cat"], first=2, options={"input": {"stdin": {"path": "none"}}}, cwd=str(tmp_path))
        host.wait(1, 2)
        assert host.text(1) == "text"
        assert host.failures[2] == [f"input file {tmp_path}/none: No such file or directory"]


def test_without_input_tasks_read_nothing():
    with HostClient() as host:
        host.run(["cat"])
        assert host.wait(1) == [0]
