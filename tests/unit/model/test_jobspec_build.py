from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model import jobspec_build as build
from bourn.model.counts import jobspec_counts
from bourn.model.jobspec_check import check_jobspec, check_v1


def checked(obj: dict[str, Any]) -> dict[str, Any]:
    check_jobspec(obj)
    check_v1(obj)
    return obj


def system(obj: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = obj["attributes"]["system"]
    return attributes


def test_the_simplest_job() -> None:
    assert checked(build.from_command(["true"], environment={})) == {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, "environment": {}}},
    }


@given(st.integers(1, 40), st.integers(1, 8), st.none() | st.integers(0, 4), st.none() | st.integers(1, 40))
def test_every_size_is_what_was_asked_for(
    tasks: int, cores: int, gpus: int | None, nodes: int | None
) -> None:
    if nodes is not None and nodes > tasks:
        with pytest.raises(BournError, match="must not be greater than num_tasks"):
            build.from_command(["x"], tasks, cores, gpus, nodes)
        return
    counts = jobspec_counts(checked(build.from_command(["x"], tasks, cores, gpus, nodes, environment={})))
    assert counts.ntasks == tasks
    assert counts.nnodes == nodes
    assert counts.cores_per_slot == cores
    assert counts.gpus_per_slot == (gpus or 0)
    slots = tasks if nodes is None else -(-tasks // nodes) * nodes
    assert (counts.nslots, counts.ncores, counts.ngpus) == (slots, slots * cores, slots * (gpus or 0))
    assert counts.complex == ""


def test_attributes() -> None:
    obj = build.from_command(
        ["a", Path("b")],  # type: ignore[list-item]
        duration=datetime.timedelta(minutes=2),
        environment={"A": "1", "B": None},
        env_expand={"C": "{{id}}"},
        cwd=Path("/tmp"),
        rlimits={"nofile": 12},
        name="n",
        input="in",
        output="out",
        error="err",
        label_io=True,
        unbuffered=True,
        queue="q",
        bank="b",
    )
    assert checked(obj)["tasks"][0]["command"] == ["a", "b"]
    buffer = {"buffer": {"type": "none"}}
    assert system(obj) == {
        "duration": 120.0,
        "environment": {"A": "1", "B": None},
        "cwd": "/tmp",
        "job": {"name": "n"},
        "queue": "q",
        "bank": "b",
        "shell": {
            "options": {
                "env-expand": {"C": "{{id}}"},
                "rlimit": {"nofile": 12},
                "input": {"stdin": {"type": "file", "path": "in"}, "batch-timeout": 0.0},
                "output": {
                    "stdout": {"type": "file", "path": "out", "label": True, **buffer},
                    "stderr": {"type": "file", "path": "err", "label": True, **buffer},
                    "batch-timeout": 0.05,
                },
            }
        },
    }
    build.clear_unbuffered(obj)
    assert system(obj)["shell"]["options"]["output"]["stdout"] == {
        "type": "file",
        "path": "out",
        "label": True,
    }
    assert "batch-timeout" not in system(obj)["shell"]["options"]["output"]


def test_the_environment_is_this_process_s_unless_given() -> None:
    assert system(build.from_command(["x"]))["environment"] == dict(os.environ)
    assert "shell" not in system(build.from_command(["x"], output="none", error="kvs"))


def test_duration_forms() -> None:
    durations = [system(build.from_command(["x"], duration=d))["duration"] for d in ("1.5h", 90, "inf", 0)]
    assert durations == [5400.0, 90.0, 0.0, 0.0]


def test_a_whole_node() -> None:
    obj = checked(build.from_command(["x"], num_tasks=2, num_nodes=2, exclusive=True))
    assert obj["resources"][0]["exclusive"] is True
    assert jobspec_counts(obj).exclusive


@pytest.mark.parametrize(
    ("args", "counts", "option"),
    [
        ({"ncores": 6}, (None, 6, 6), None),
        ({"ncores": 6, "nnodes": 2}, (2, 6, 2), None),
        ({"nnodes": 2, "exclusive": True}, (2, 2, 2), None),
        (
            {"nnodes": 2, "exclusive": True, "per_resource_type": "node", "per_resource_count": 3},
            (2, 2, 6),
            "node",
        ),
        ({"ncores": 4, "per_resource_type": "core", "per_resource_count": 2}, (None, 4, 8), "core"),
    ],
)
def test_per_resource(args: dict[str, Any], counts: tuple[int | None, int, int], option: str | None) -> None:
    obj = checked(build.per_resource(["x"], **args, environment={}))
    found = jobspec_counts(obj)
    assert (found.nnodes, found.ncores, found.ntasks) == counts
    if option:
        assert system(obj)["shell"]["options"]["per-resource"]["type"] == option
    else:
        assert "shell" not in system(obj)


def test_gpus_per_node() -> None:
    obj = checked(build.per_resource(["x"], nnodes=3, ncores=3, gpus_per_node=2))
    assert jobspec_counts(obj).ngpus == 6


def test_a_nested_instance() -> None:
    obj = checked(
        build.from_nest_command(
            ["work", "-x"], num_slots=4, num_nodes=2, broker_opts=["-Sa=b"], conf="[x]\ny=1\n"
        )
    )
    command = ["bourn", "start", "-Sa=b", "--config-path={{tmpdir}}/conf.toml", "--", "work", "-x"]
    assert obj["tasks"][0]["command"] == command
    assert system(obj)["shell"]["options"] == {
        "per-resource": {"type": "node", "count": 1},
        "mpi": "none",
        "exit-timeout": "none",
    }
    assert system(obj)["files"]["conf.toml"] == {"mode": 0o100600, "data": "[x]\ny=1\n", "encoding": "utf-8"}
    assert jobspec_counts(obj).ntasks == 2
    assert build.from_nest_command([], environment={})["tasks"][0]["command"] == ["bourn", "start"]
    json_conf = build.from_nest_command([], conf='{"a": 1}')
    assert system(json_conf)["files"]["conf.json"]["data"] == {"a": 1}


def test_a_batch_script() -> None:
    obj = checked(build.from_batch_command("#!/bin/sh\ntrue\n", "job", ["arg"], num_slots=2))
    assert obj["tasks"][0]["command"] == ["bourn", "start", "--", "{{tmpdir}}/script", "arg"]
    assert system(obj)["job"] == {"name": "job"}
    assert system(obj)["files"]["script"] == {
        "mode": 0o100700,
        "data": "#!/bin/sh\ntrue\n",
        "encoding": "utf-8",
    }


def test_keys_and_paths() -> None:
    obj = build.from_command(["x"], environment={})
    build.set_attr(obj, "queue", "q")
    build.set_attr(obj, "system.bank", "b")
    build.set_attr(obj, "user.a.b", [1])
    build.set_attr(obj, "attributes.user.c", 2)
    build.set_shell_option(obj, "x.y", True)
    assert (system(obj)["queue"], system(obj)["bank"]) == ("q", "b")
    assert obj["attributes"]["user"] == {"a": {"b": [1]}, "c": 2}
    assert build.get_attr(obj, "user.a.b") == [1]
    assert build.get_attr(obj, "shell.options.x.y") is True
    for key in ("user.z", "queue.z"):
        with pytest.raises(KeyError):
            build.get_attr(obj, key)
    with pytest.raises(BournError, match="'queue' is a value, not a table"):
        build.set_attr(obj, "queue.x", 1)
    with pytest.raises(BournError, match="empty part"):
        build.set_attr(obj, "user..x", 1)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: build.from_command("true"), "command must be a list of strings"),
        (lambda: build.from_command([]), "must not be empty"),
        (lambda: build.from_command(["a", 1]), r"command\[1\] must be a string, not int"),
        (lambda: build.from_command(["a"], num_tasks=0), "num_tasks must be an integer >= 1"),
        (lambda: build.from_command(["a"], cores_per_task=1.5), "cores_per_task must be an integer"),
        (lambda: build.from_command(["a"], gpus_per_task=-1), "gpus_per_task must be an integer >= 0"),
        (lambda: build.from_command(["a"], exclusive=True), "exclusive can only be set with a node count"),
        (lambda: build.from_command(["a"], duration="soon"), "'soon' is not a duration"),
        (lambda: build.from_command(["a"], nmae="x"), "unknown argument 'nmae'; did you mean 'name'"),
        (lambda: build.per_resource(["a"]), "a count of nodes or cores must be given"),
        (lambda: build.per_resource(["a"], nnodes=1), "needs a core count as well, or exclusive"),
        (lambda: build.per_resource(["a"], ncores=3, nnodes=2), "can't be divided evenly"),
        (lambda: build.per_resource(["a"], ncores=1, exclusive=True), "exclusive can only be set"),
        (lambda: build.per_resource(["a"], ncores=1, gpus_per_node=1), "gpus_per_node can only be set"),
        (lambda: build.per_resource(["a"], ncores=1, per_resource_type="node"), "go together"),
        (lambda: build.per_resource(["a"], 1, None, "rack", 1), "must be 'node' or 'core'"),
        (lambda: build.from_batch_command("echo", "x"), "must start with '#!'"),
        (lambda: build.from_batch_command("#!\0", "x"), "null byte"),
    ],
)
def test_what_is_wrong_is_said(call: Any, reason: str) -> None:
    with pytest.raises(BournError, match=reason):
        call()
