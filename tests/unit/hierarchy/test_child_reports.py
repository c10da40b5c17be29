"""A child's reports of its parent's jobs, and R in the parent's terms."""

from __future__ import annotations

import json

import msgspec

from bourn.model.rset import ResourceSet
from bourn_plugins.hierarchy.jobspec import child_configuration, handed_down, localize, overrides_down
from bourn_plugins.hierarchy.mirror import Mirror
from bourn_plugins.hierarchy.rank_map import lift, ranks_of
from bourn_plugins.hierarchy.shape import Part

R = ResourceSet.from_nodes([(0, "a", "0-1", ""), (1, "b", "2", "0")])


def event(t, name, **context):
    return (
        json.dumps({"timestamp": t, "name": name, **({"context": context} if context else {})})
        .replace(": ", ":")
        .replace(", ", ",")
        + "\n"
    )


def test_the_life_of_a_job():
    mirror = Mirror()
    assert mirror.add(7)
    assert not mirror.add(7)
    assert not mirror.rows(
        [(8, "eventlog", event(1.0, "alloc")), (7, "eventlog", event(1.0, "submit", userid=0))]
    )
    assert mirror.rows(
        [
            (7, "R", json.dumps(R.to_dict())),
            (7, "guest.output", "line\n"),
            (7, "eventlog", event(2.5, "alloc") + event(2.75, "start")),
        ]
    )
    first = mirror.collect()
    assert json.loads(msgspec.json.encode(first)) == {
        "seq": 1,
        "alloc": [[7, 2.5, R.to_dict()]],
        "events": [[7, "start", {}, 2.75]],
        "logs": [[7, "guest.output", "line\n"]],
    }
    assert mirror.collect() is None
    mirror.rows([(7, "eventlog", event(3.0, "exception", type="timelimit", severity=0, note="over"))])
    mirror.rows([(7, "eventlog", event(3.5, "finish", status=15) + event(3.75, "clean"))])
    second = mirror.collect()
    assert [item[1] for item in second["events"]] == ["exception", "finish"]
    assert second["over"] == [(7, 3.75, "timelimit", "over")]
    assert mirror.jobs == {}


def test_reports_are_kept_until_they_are_durable():
    mirror = Mirror()
    for id in (1, 2, 3):
        mirror.add(id)
        mirror.rows([(id, "eventlog", event(1.0, "clean"))])
        mirror.collect()
    mirror.add(4)
    assert mirror.have() == [1, 2, 3, 4]
    assert [report["seq"] for report in mirror.again(seen=1)] == [2, 3]
    mirror.acknowledge(2)
    assert mirror.have() == [3, 4]


def test_a_denied_job_is_reported_once():
    mirror = Mirror()
    mirror.add(1)
    mirror.deny(1, "no such queue")
    mirror.deny(1, "again")
    assert mirror.collect() == {"seq": 1, "deny": [[1, "no such queue"]]}


def test_r_in_the_parents_ranks():
    tree = R.to_dict()
    tree["execution"]["properties"] = {"fast": "1"}
    found = lift(tree, (4, 9))
    there = ResourceSet.from_dict(found)
    assert {rank: (str(there.cores(rank)), there.hostname(rank)) for rank in there.ranks} == {
        4: ("0-1", "a"),
        9: ("2", "b"),
    }
    assert str(there.properties["fast"]) == "9"
    assert ranks_of(found) == "4,9"
    one = ResourceSet.from_nodes([(0, "a", "3", "")]).to_dict()
    assert lift(one, (5,))["execution"]["R_lite"] == [{"rank": "5", "children": {"core": "3"}}]
    assert one["execution"]["R_lite"][0]["rank"] == "0"


def test_what_the_parent_has_seen_to_stays_with_it():
    obj = {"attributes": {"system": {"duration": 1, "dependencies": [{}], "queue": "q"}}, "version": 1}
    assert handed_down(obj, (0,))["attributes"] == {"system": {"duration": 1}}
    assert obj["attributes"]["system"]["queue"] == "q"
    plain = {"attributes": {"system": {"duration": 1}}, "version": 1}
    assert handed_down(plain, (0,)) is plain
    keys = {"attributes.system.queue": "q", "attributes.system.duration": 5}
    assert overrides_down(keys, (0,)) == {"attributes.system.duration": 5}
    assert overrides_down({"attributes.system.queue": "q"}, (0,)) is None


def test_each_level_has_its_own_configuration():
    table = {
        "shape": "2x4",
        "policy": "hash",
        "min": 1,
        "child": {"exec": {"method": "mock"}, "hierarchy": {"policy": "least-loaded"}},
    }
    conf = child_configuration(Part(1, 4, 0, False, "4"), table)
    assert conf["exec"] == {"method": "mock"}
    assert conf["hierarchy"] == {"policy": "least-loaded", "shape": "4", "child": table["child"]}
    assert child_configuration(Part(1, 1, 0, False, ""), table) == {"exec": {"method": "mock"}}


def test_constraints_on_ranks_are_those_of_the_child():
    wanted = {"and": [{"ranks": ["0-2"]}, {"not": [{"ranks": ["5"]}]}, {"properties": ["fast"]}]}
    found = {"and": [{"ranks": ["1"]}, {"not": [{"ranks": ["0"]}]}, {"properties": ["fast"]}]}
    assert localize(wanted, (5, 2)) == found
    assert localize({"ranks": ["7"]}, (5, 2)) == {"ranks": []}
    obj = {"attributes": {"system": {"constraints": {"ranks": ["2"]}}}}
    assert handed_down(obj, (5, 2))["attributes"]["system"]["constraints"] == {"ranks": ["1"]}
    keys = {"attributes.system.constraints": {"ranks": ["5"]}}
    assert overrides_down(keys, (5, 2)) == {"attributes.system.constraints": {"ranks": ["0"]}}
