"""The PMI-1 server: each request of RFC 13, and what it must not answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn_shell_plugins.pmi.server import VALLEN_MAX, PmiError, PmiServer


class Port:
    def __init__(self):
        self.fences, self.sent, self.aborts, self.failures = [], [], [], []

    def fence(self, entries):
        self.fences.append(entries)

    def send(self, rank, line):
        self.sent.append((rank, line))

    def abort(self, rank, code, message):
        self.aborts.append((rank, code, message))

    def fail(self, reason):
        self.failures.append(reason)


@pytest.fixture
def port():
    return Port()


@pytest.fixture
def server(port):
    return PmiServer(
        port, kvsname="kvs", size=4, local=2, universe=8, preset={"PMI_process_mapping": "(vector,(0,2,2))"}
    )


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (
            b"cmd=init pmi_version=1 pmi_subversion=1",
            b"cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n",
        ),
        (
            b"cmd=init pmi_version=2 pmi_subversion=0",
            b"cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1\n",
        ),
        (b"cmd=get_maxes", b"cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1024\n"),
        (b"cmd=get_appnum", b"cmd=appnum rc=0 appnum=0\n"),
        (b"cmd=get_my_kvsname", b"cmd=my_kvsname rc=0 kvsname=kvs\n"),
        (b"cmd=get_universe_size", b"cmd=universe_size rc=0 size=8\n"),
        (
            b"cmd=get kvsname=kvs key=PMI_process_mapping",
            b"cmd=get_result rc=0 value=(vector,(0,2,2))\n",
        ),
        (b"cmd=get kvsname=kvs key=nothing", b"cmd=get_result rc=-1 msg=key_nothing_not_found\n"),
        (b"cmd=put kvsname=kvs key=k value=", b"cmd=put_result rc=0\n"),
        (
            b"cmd=put kvsname=kvs key=" + b"k" * 65 + b" value=v",
            b"cmd=put_result rc=-1 msg=invalid_key_length\n",
        ),
        (b"cmd=put kvsname=kvs key= value=v", b"cmd=put_result rc=-1 msg=invalid_key_length\n"),
        (
            b"cmd=put kvsname=kvs key=k value=" + b"v" * (VALLEN_MAX + 1),
            b"cmd=put_result rc=-1 msg=invalid_value_length\n",
        ),
        (b"cmd=publish_name service=s port=p", b"cmd=publish_result rc=-1 info=not_supported\n"),
        (b"cmd=lookup_name service=s", b"cmd=lookup_result rc=-1 info=not_supported\n"),
        (b"cmd=finalize", b"cmd=finalize_ack rc=0\n"),
    ],
)
def test_replies(server, request_, reply):
    assert server.request(0, request_) == reply


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"cmd=", b"cmd=dance", b"cmd=put kvsname=kvs key=k", b"\xff\0"]
)
def test_what_is_no_request(server, line):
    with pytest.raises(PmiError):
        server.request(0, line)


def test_a_value_may_hold_blanks_and_equal_signs(server):
    server.request(0, b"cmd=put kvsname=kvs key=card value=a b=c value=d")
    assert server.request(1, b"cmd=get kvsname=kvs key=card") == b"cmd=get_result rc=0 value=a b=c value=d\n"


def test_a_barrier_exchanges_what_is_new_and_lets_all_go_at_once(server, port):
    server.request(0, b"cmd=put kvsname=kvs key=a value=1")
    assert server.request(0, b"cmd=barrier_in") == b""
    assert port.fences == []
    assert server.request(1, b"cmd=barrier_in") == b""
    assert port.fences == [{b"a": b"1"}]
    assert port.sent == []
    server.release({b"a": b"1", b"b": b"2"})
    assert port.sent == [(0, b"cmd=barrier_out rc=0\n"), (1, b"cmd=barrier_out rc=0\n")]
    assert server.request(0, b"cmd=get kvsname=kvs key=b") == b"cmd=get_result rc=0 value=2\n"
    for rank in (1, 0):
        server.request(rank, b"cmd=barrier_in")
    assert port.fences[1:] == [{}]


def test_spawn_is_refused_after_its_last_line(server):
    lines = [b"mcmd=spawn", b"nprocs=1", b"execname=x", b"totspawns=1", b"spawnssofar=1", b"argcnt=0"]
    assert [server.request(0, line) for line in lines] == [b""] * len(lines)
    # Another task isn't confused by it.
    assert server.request(1, b"cmd=get_appnum") == b"cmd=appnum rc=0 appnum=0\n"
    assert server.request(0, b"endcmd") == b"cmd=spawn_result rc=-1 errmsg=this_job_can't_grow\n"
    assert server.request(0, b"cmd=get_appnum") == b"cmd=appnum rc=0 appnum=0\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"cmd=abort exitcode=7", (1, 7, "")),
        (b"cmd=abort exitcode=-1 error_msg=it broke", (1, -1, "it broke")),
        (b"cmd=abort", (1, 1, "")),
    ],
)
def test_abort(server, port, line, said):
    assert server.request(1, line) == b""
    assert port.aborts == [said]


def test_joined_tasks_are_known(server):
    server.request(0, b"cmd=init pmi_version=1 pmi_subversion=1")
    assert server.joined == {0}
    server.request(0, b"cmd=finalize")
    assert server.joined == set()


INIT = b"cmd=init pmi_version=1 pmi_subversion=1"


def test_a_task_that_fails_before_finalize_fails_the_job_at_once(server, port):
    server.request(0, INIT)
    server.ended(0, "was killed by SIGKILL")
    assert port.failures == ["task 0 was killed by SIGKILL before it had taken leave of the others (PMI)"]
    assert port.fences == []


def test_a_task_that_took_leave_may_end_as_it_likes(server, port):
    for line in (INIT, b"cmd=finalize"):
        server.request(0, line)
    server.ended(0, "exited with 1")
    server.ended(1, "")
    assert (port.failures, port.fences) == ([], [])


@pytest.mark.parametrize("first", ["the barrier", "the end"])
def test_one_that_never_spoke_is_missed_in_the_barrier(server, port, first):
    steps = [lambda: server.request(0, b"cmd=barrier_in"), lambda: server.ended(1, "exited with 7")]
    for step in steps if first == "the barrier" else reversed(steps):
        step()
    ((key, reason),) = port.fences[0].items()
    assert key == b""
    assert port.failures == []
    server.release({key: reason, b"more": b"x"})
    assert port.failures == ["task 1 exited with 7 before it had taken leave of the others (PMI)"]
    assert port.sent == []


def test_a_node_whose_tasks_have_all_failed_tells_those_who_wait_elsewhere(server, port):
    server.ended(0, "exited with 1")
    server.ended(1, "exited with 1")
    assert [list(entries) for entries in port.fences] == [[b""]]
    server.release(port.fences[0])
    assert port.failures == []  # nobody waits here


def test_programs_that_know_nothing_of_pmi_end_without_a_word(server, port):
    server.ended(0, "")
    server.ended(1, "")
    assert (port.failures, port.fences) == ([], [])


@given(st.lists(st.binary(max_size=80).map(lambda data: data.replace(b"\n", b"")), max_size=20))
def test_any_bytes_are_answered_or_refused(lines):
    server = PmiServer(Port(), kvsname="kvs", size=1, local=1, universe=1, preset={})
    for line in lines:
        try:
            reply = server.request(0, line)
        except PmiError:
            continue
        assert reply == b"" or reply.endswith(b"\n")
