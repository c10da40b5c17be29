"""Exchanges among a job's nodes, brokers that are restarted included."""

import random

from bourn.shell.fences import Fences, Gathering


class Node:
    def __init__(self, nodeid, rounds):
        self.nodeid, self.rounds = nodeid, rounds
        self.fences = Fences()
        self.seen = []

    def enter(self):
        """Enter the next exchange; return what is told."""
        data = {f"{len(self.seen)}.{self.nodeid}": str(self.nodeid)}
        return self.fences.enter("x", data, self.seen.append)


def test_all_get_everything_once_all_have_entered():
    gathering = Gathering(2)
    one, two = Fences(), Fences()
    got = []
    key, data = one.enter("a", {"x": "1"}, got.append)
    assert gathering.told(0, key, data) is None
    key, data = two.enter("a", {"y": "2"}, got.append)
    merged = gathering.told(1, key, data)
    assert merged == {"x": "1", "y": "2"}
    one.release(key, merged)
    one.release(key, merged)
    two.release("a.7", merged)
    two.release(key, merged)
    assert got == [merged, merged]


def test_what_is_told_again_after_all_have_come_is_nothing_new():
    gathering = Gathering(2)
    assert gathering.told(0, "a.1", {"x": "0"}) is None
    assert gathering.told(0, "a.2", {"x": "1"}) is None
    assert gathering.told(1, "a.2", {"y": "2"}) == {"x": "1", "y": "2"}
    assert gathering.told(0, "a.1", {"x": "0"}) is None
    assert gathering.told(0, "a.2", {"x": "1"}) is None
    assert gathering.came() == set()
    assert gathering.told(1, "a.3", {}) is None
    assert gathering.told(1, "b.1", {}) is None
    assert gathering.came() == {1}
    assert gathering.told(0, "a.3", {"z": "3"}) == {"z": "3"}


def test_two_names_don_t_mix():
    fences = Fences()
    got = []
    key_a, _ = fences.enter("a", {}, lambda data: got.append("a"))
    key_b, _ = fences.enter("b.c", {}, lambda data: got.append("b"))
    fences.release(key_b, {})
    fences.release(key_a, {})
    assert got == ["b", "a"]


def test_a_broker_that_forgets_everything_at_any_time_changes_nothing():
    for seed in range(100):
        rng = random.Random(seed)
        nodes = [Node(i, 5) for i in range(3)]
        gathering = Gathering(3)
        inbox = [(node.nodeid, *node.enter()) for node in nodes]
        outbox = []
        entered = [1, 1, 1]
        while any(len(node.seen) < 5 for node in nodes):
            if rng.random() < 0.1:
                gathering, inbox, outbox = Gathering(3), [], []
                inbox = [(node.nodeid, *told) for node in nodes for told in node.fences.again()]
            elif inbox and (not outbox or rng.random() < 0.5):
                nodeid, key, data = inbox.pop(rng.randrange(len(inbox)))
                merged = gathering.told(nodeid, key, data)
                if merged is not None:
                    outbox += [(node, key, merged) for node in nodes]
            elif outbox:
                node, key, merged = outbox.pop(rng.randrange(len(outbox)))
                node.fences.release(key, merged)
                if len(node.seen) == entered[node.nodeid] < 5:
                    entered[node.nodeid] += 1
                    inbox.append((node.nodeid, *node.enter()))
        for node in nodes:
            assert node.seen == [{f"{n}.{i}": str(i) for i in range(3)} for n in range(5)]
