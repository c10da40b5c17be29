"""The batches that a broker makes for a shell host."""

import msgspec

from bourn.model.interned import InternTable
from bourn.shell.wire import FromHost, Start
from bourn.testing.samples import interned, jobspec
from bourn_plugins.shell_manager import outbox
from bourn_plugins.shell_manager.outbox import Outbox


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
    monkeypatch.setattr(outbox, "SPECS_KEPT", 2)
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
    for seq in range(1, outbox.ACK_EVERY):
        box.durable(FromHost(seq=seq, finished=[(seq, 0.0, 0)]))
        assert box.take() is None
    box.durable(FromHost(seq=outbox.ACK_EVERY))
    assert box.take().ack == outbox.ACK_EVERY
    box.durable(FromHost(seq=100, logs=[(1, "guest.output", "x\n")]))
    assert box.take().ack == 100
    box.durable(FromHost(seq=101))
    box.kill(1, 9)
    assert box.take().ack == 101


def test_environments_travel_once_to_a_host_that_takes_them():
    table = InternTable()

    def spec(name, value):
        return table.intern_obj(jobspec(name, system={"environment": {"A": value}}))

    specs = [spec(str(n), "1") for n in range(3)]
    box = Outbox("")
    box.start([(specs[0], Start(1, 0))])
    batch = box.take()
    assert (batch.environments, batch.parted) == ([], [])
    assert msgspec.json.decode(batch.specs[0][1]) == specs[0].obj
    box.parts = True
    box.start([(each, Start(2, 0)) for each in specs])
    batch = box.take()
    [(key, text)] = batch.environments
    assert msgspec.json.decode(text) == {"A": "1"}
    assert [each[2] for each in batch.parted] == [key, key]
    assert [bytes(each[1]) for each in batch.parted] == [each.json for each in specs[1:]]


def test_an_environment_that_is_forgotten_is_sent_again(monkeypatch):
    monkeypatch.setattr(outbox, "ENVIRONMENTS_KEPT", 1)
    table = InternTable()
    box = Outbox("")
    box.parts = True
    for n in range(2):
        box.start([(table.intern_obj(jobspec("a", system={"environment": {"N": str(n)}})), Start(n, 0))])
    batch = box.take()
    assert batch.forget_environments == []
    first = batch.environments[0][0]
    box.start([(table.intern_obj(jobspec("b", system={"environment": {"N": "0"}})), Start(3, 0))])
    batch = box.take()
    assert batch.forget_environments == [first]
    assert len(batch.environments) == 1
    assert batch.environments[0][0] != first
