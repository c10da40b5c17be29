from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bourn.errors import BournError, JobspecError
from bourn.model import Jobspec
from tests.unit.model.jobspecs import core, jobspec, node, slot

if TYPE_CHECKING:
    from pathlib import Path


def test_from_dict_checks_and_wraps() -> None:
    obj = jobspec()
    spec = Jobspec.from_dict(obj)
    assert spec.to_dict() is obj
    assert json.loads(spec.dumps()) == obj
    assert spec.dumps(indent=1).startswith("{\n")
    assert Jobspec.from_json(spec.dumps()) == spec
    with pytest.raises(JobspecError, match=r"resources\[0\].count: 0 is less than 1"):
        Jobspec.from_dict(jobspec(slot(0)))
    with pytest.raises(JobspecError, match="not JSON"):
        Jobspec.from_json("{")


def test_sections() -> None:
    spec = Jobspec.from_dict(jobspec(node(2, slot(1, core(3)))))
    assert [vertex["type"] for vertex in spec] == ["node", "slot", "core"]
    assert spec.version == 1
    assert spec.tasks[0]["command"] == ["app"]
    assert spec.attributes["system"] == {"duration": 0}
    assert spec.counts().ncores == 6


def test_properties() -> None:
    spec = Jobspec.from_command(["x"], environment={}, name="n")
    assert (spec.name, spec.cwd, spec.queue, spec.bank, spec.stdout) == ("n", None, None, None, None)
    spec.duration = "2m"
    spec.cwd = "/tmp"
    spec.environment = {"A": "b"}
    spec.queue = "q"
    spec.bank = "b"
    spec.name = "m"
    spec.stdin = "i"
    spec.output = "o"
    spec.stderr = "e"
    assert (spec.duration, spec.cwd, spec.environment) == (120.0, "/tmp", {"A": "b"})
    assert (spec.queue, spec.bank, spec.name) == ("q", "b", "m")
    assert (spec.input, spec.stdout, spec.error) == ("i", "o", "e")
    assert not spec.unbuffered
    spec.unbuffered = True
    assert spec.unbuffered
    spec.unbuffered = False
    assert not spec.unbuffered
    spec.setattr("user.tag", 1)
    spec.setattr_shell_option("verbose", 2)
    spec.add_file("data", {"a": 1})
    assert spec.getattr("user.tag") == 1
    assert spec.getattr("shell.options.verbose") == 2
    spec.validate(v1=True)
    with pytest.raises(KeyError):
        spec.getattr("user.none")


def test_the_builders_are_those_of_jobspec_build() -> None:
    assert Jobspec.per_resource(["x"], ncores=2).counts().ncores == 2
    assert Jobspec.from_nest_command(["x"]).tasks[0]["command"][:2] == ["bourn", "start"]
    assert Jobspec.from_batch_command("#!/bin/sh\n", "j").name == "j"


def test_yaml_files(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(jobspec()))
    assert Jobspec.from_yaml_file(path).to_dict() == jobspec()
    path.write_text("a: [1\nb: 2\n")
    with pytest.raises(BournError, match=r"job.yaml: line 2: not YAML"):
        Jobspec.from_yaml_file(path)
    path.write_text("version: 1\n")
    with pytest.raises(JobspecError, match=r"misses the key 'attributes' \(.*job.yaml\)"):
        Jobspec.from_yaml_file(path)
    path.write_bytes(b"\xff")
    with pytest.raises(BournError, match=r"job.yaml"):
        Jobspec.from_yaml_file(path)
    with pytest.raises(BournError, match=r"none.yaml: No such file"):
        Jobspec.from_yaml_file(tmp_path / "none.yaml")


def test_setting_a_wrong_value_is_found_by_validate() -> None:
    spec = Jobspec.from_command(["x"])
    environment: Any = {"A": 1}
    spec.environment = environment
    with pytest.raises(JobspecError, match=r"attributes.system.environment.A: must be a string"):
        spec.validate()
