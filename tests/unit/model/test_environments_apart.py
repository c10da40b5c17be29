"""Environments are kept once, beside the jobspecs that share them."""

import json

from bourn.model.environment import environment_of, with_environment, without_environment
from bourn.model.interned import InternTable
from bourn.testing.samples import jobspec


def spec(command, **environment):
    return jobspec(command, system={"environment": environment})


def test_unlike_jobspecs_share_an_environment():
    table = InternTable()
    a, b = (table.intern_obj(spec(command, A="1", B="2")) for command in ("a", "b"))
    assert a is not b
    assert a.environment is b.environment
    assert environment_of(a.obj) is environment_of(b.obj)
    assert environment_of(json.loads(a.json)) is None
    assert environment_of(a.obj) == {"A": "1", "B": "2"}


def test_jobspecs_that_differ_in_their_environment_only_differ():
    table = InternTable()
    a, b, c = (table.intern_obj(spec("a", **env)) for env in ({"A": "1"}, {"A": "2"}, {}))
    assert len({a.hash, b.hash, c.hash}) == 3
    assert a.json == b.json
    assert c.environment is None


def test_what_a_store_has_kept_is_the_same_again():
    table = InternTable()
    first = table.intern_obj(spec("a", A="1"))
    assert table.intern_row(first.json, first.environment.row) is first
    other = InternTable().intern_row(first.json, first.environment.row)
    assert (other.hash, other.obj) == (first.hash, first.obj)
    whole = json.dumps(first.obj).encode()
    assert InternTable().intern_row(whole, None).obj == first.obj


def test_environments_go_with_their_last_jobspec():
    table = InternTable()
    first = table.intern_obj(spec("a", A="1"))
    table.intern_obj(spec("b", B="1"))
    row = first.environment.row
    del first
    assert len(table) == 0
    assert table.intern_row(b'{"attributes":{"system":{}}}', row).environment.row == row


def test_parting_leaves_the_jobspec_as_it_is():
    obj = spec("a", A="1")
    before = json.dumps(obj)
    body = without_environment(obj)
    assert with_environment(body, {"A": "1"}) == obj
    assert with_environment(obj, 3)["attributes"]["system"]["environment"] == 3
    assert json.dumps(obj) == before


def test_what_is_no_jobspec_has_none():
    for obj in ("text", [], None, {}, {"attributes": None}, {"attributes": {"system": [1]}}):
        assert environment_of(obj) is None
        assert InternTable().part(obj) == (obj, None)
