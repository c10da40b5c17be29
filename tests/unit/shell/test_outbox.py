"""The batches that a broker makes for a shell host."""

from bourn.shell.wire import FromHost, Start
from bourn.testing.samples import interned, jobspec
from bourn_plugins.shell_manager import host
from bourn_plugins.shell_manager.host import Outbox


def test_equal_jobspecs_travel_once():
    box = Outbox("local:///x")
    a, b = interned(jobspec("a")), interned(jobspec("b"))
    box.start([(a, Start(1, 0)), (a, Start(2, 0)), (b, Start(3, 0))])
    batch = box.take()
    assert [start.spec for start in batch.start] == [1, 1, 2]
    assert [key for key, _ in batch.specs] == [1, 2]
    assert batch.uri == "local:///x"
    box.start([(b, Start(4, 0))])
    batch = box.take()
    assert (batch.specs, batch.start[0].spec, batch.uri) == ([], 2, "")
    assert box.take() is None


def test_old_jobspecs_are_forgotten_on_both_sides(monkeypatch):
    monkeypatch.setattr(host, "SPECS_KEPT", 2)
    box = Outbox("")
    specs = [interned(jobspec(str(n))) for n in range(4)]
    for n in (0, 1, 0, 2):
        box.start([(specs[n], Start(n, 0))])
    batch = box.take()
    assert [start.spec for start in batch.start] == [1, 2, 1, 3]
    assert batch.forget == []
    # The one that had not been used for longest goes after the batch that may need it.
    box.start([(specs[3], Start(9, 0)), (specs[1], Start(10, 0))])
    batch = box.take()
    assert batch.forget == [2]
    assert [start.spec for start in batch.start] == [4, 5]


def test_ends_are_acknowledged_at_leisure_and_output_at_once():
    box = Outbox("")
    box.take()
    for seq in range(1, host.ACK_EVERY):
        box.durable(FromHost(seq=seq, finished=[(seq, 0.0, 0)]))
        assert box.take() is None
    box.durable(FromHost(seq=host.ACK_EVERY))
    assert box.take().ack == host.ACK_EVERY
    box.durable(FromHost(seq=100, logs=[(1, "guest.output", "x\n")]))
    assert box.take().ack == 100
    box.durable(FromHost(seq=101))
    box.kill(1, 9)
    assert box.take().ack == 101
