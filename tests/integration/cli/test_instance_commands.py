import json
import re

import pytest


def test_resources(bourn):
    assert bourn.ok("resource info") == "1 Nodes, 16 Cores, 2 GPUs"
    lines = bourn.ok("resource list").splitlines()
    assert lines[0].split() == ["STATE", "NNODES", "NCORES", "NGPUS", "NODELIST"]
    assert lines[1].split() == ["free", "1", "16", "2", "node0"]
    assert [line.split()[0] for line in lines] == ["STATE", "free", "allocated", "down"]
    assert json.loads(bourn.ok("resource R"))["execution"]["nodelist"] == ["node0"]
    assert "did you mean 'allocated'" in bourn("resource list -s alocated").err
    assert "resource-define" in bourn.ok("resource eventlog")


def test_when_the_resources_end(bourn):
    before = json.loads(bourn.ok("resource R -s all"))["execution"]
    script = "bourn resource R; bourn resource R -s allocated"
    child = bourn.words("run", "-t30m", "bourn", "start", "sh", "-c", script)
    ends = [json.loads(line)["execution"]["expiration"] for line in child.out.splitlines()]
    assert before["expiration"] == 0
    assert ends[0] == ends[1] > 1e9


def test_allocated_resources(bourn):
    id = bourn.ok("submit -n4 -g0 sleep 60")
    bourn.ok(f"job wait-event -q {id} start")
    assert bourn.ok("resource info -s allocated") == "1 Nodes, 4 Cores, 0 GPUs"
    assert bourn.ok("resource info -s free") == "1 Nodes, 12 Cores, 2 GPUs"
    bourn.ok(f"cancel {id}")
    bourn.ok("queue drain")


def test_drain_and_undrain(bourn):
    bourn.ok("resource drain node0 bad fan")
    rows = bourn.ok("resource drain").splitlines()
    assert "bad fan" in rows[1]
    assert bourn.ok("resource status -s drain -o long").splitlines()[1].split()[:1] == ["drain"]
    assert "1 drained" in bourn.ok("uptime")
    bourn.ok("resource undrain 0")
    assert len(bourn.ok("resource drain").splitlines()) == 1
    assert bourn("resource undrain 7").code == 1


def test_queue(bourn):
    assert bourn.ok("queue status").splitlines() == ["Job submission is enabled", "Scheduling is started"]
    bourn.ok("queue disable no more today")
    assert bourn.ok("queue status").splitlines()[0] == "Job submission is disabled: no more today"
    assert "no more today" in bourn("submit true").err
    bourn.ok("queue enable")
    bourn.ok("queue stop")
    id = bourn.ok("submit true")
    bourn.ok("queue idle")
    assert bourn.ok("jobs -n -o {status}") == "SCHED"
    assert "jobs are left" in bourn("queue drain -t 10ms").err
    bourn.ok("queue start")
    assert bourn(f"job status {id}").code == 0
    assert bourn.ok("queue list").splitlines()[1].split()[:2] == ["yes", "yes"]
    assert bourn("queue status -q batch").code == 1


def test_attributes(bourn):
    assert bourn.ok("getattr size") == "1"
    bourn.ok("setattr user.note hello")
    assert bourn.ok("getattr user.note") == "hello"
    assert "user.note" in bourn.ok("lsattr").split()
    bourn.ok("setattr --expunge user.note")
    assert "did you mean 'size'" in bourn("getattr sise").err
    assert bourn("setattr rank 3").code == 1


def test_configuration(bourn):
    assert json.loads(bourn.ok("config get resource.config"))[0]["cores"] == "0-15"
    assert bourn.ok("config get --default=none no.such") == "none"
    assert "is not set" in bourn("config get resource.confg").err
    bourn.ok("config reload")


def test_modules(bourn, tmp_path):
    listed = bourn.ok("module list").splitlines()
    assert listed[0].split()[:2] == ["MODULE", "STATE"]
    assert any(line.startswith("job-manager") for line in listed)
    file = tmp_path / "pingpong.py"
    file.write_text(
        "from bourn.broker.module import Module, method\n\n\n"
        "class Pingpong(Module):\n    name = 'pingpong'\n\n"
        "    @method()\n    def hit(self, request):\n        return {'n': 1}\n"
    )
    bourn.ok(f"module load {file}")
    assert re.fullmatch(r"pingpong.ping pad=0 seq=0 time=[\d.]+ ms", bourn.ok("ping -c1 pingpong"))
    bourn.ok("module reload pingpong")
    assert json.loads(bourn.ok("module stats pingpong"))["messages"] >= 0
    bourn.ok("module remove pingpong")
    bourn.ok("module remove --force pingpong")
    assert bourn("module remove pingpong").code == 1
    assert "did you mean" in bourn("ping -c1 job-manger").err


def test_events(bourn):
    process = bourn.start("event", "sub", "-c1", "weather")
    while not process.poll():
        bourn.ok('event pub weather.rain {"mm":3}')
        if _readable(process):
            break
    assert process.communicate()[0] == b'weather.rain\t{"mm": 3}\n'
    assert "not JSON" in bourn("event pub x {").err


def _readable(process):
    import select

    return bool(select.select([process.stdout], [], [], 0.05)[0])


def test_about_the_instance(bourn):
    assert re.search(r"run [\d.]+s,  owner \w+,  depth 0,  size 1", bourn.ok("uptime"))
    assert "commands:" in bourn.ok("version")
    assert "broker:" in bourn.ok("version")
    assert bourn("dmesg").code == 0
    assert "BOURN_URI=local://" in bourn.ok("env")
    assert bourn.ok("env printenv BOURN_URI").startswith("local://")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("qeue status", "bourn: error: no such command 'qeue'; did you mean 'queue'?"),
        ("queue stauts", "bourn-queue: error: no such command 'stauts'; did you mean 'status'?"),
        ("jobs --sorted=x", "bourn-jobs: error: unknown option '--sorted=x'; did you mean '--sort'?"),
    ],
)
def test_typing_errors_get_the_nearest_name(bourn, line, message):
    found = bourn(line)
    assert found.code != 0
    assert found.err == message + "\n"


def test_without_an_instance(bourn):
    import copy

    lost = copy.copy(bourn)
    lost.env = {name: value for name, value in bourn.env.items() if name != "BOURN_URI"}
    assert lost("jobs").err.startswith("bourn-jobs: error: no Bourn instance here")
    lost.env = {**bourn.env, "BOURN_URI": "local:///nowhere/local"}
    assert "no Bourn instance at /nowhere/local" in lost("jobs").err
    assert lost("run --dry-run true").code == 0
