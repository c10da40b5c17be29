"""The host's side of PMIx, with a pretended job, and what is said when the library isn't there."""

import ctypes
import json

import pytest

from bourn.shell.spec import ShellSpec
from bourn.testing.samples import jobspec
from bourn.testing.shell import FakeShellJob, FakeShellTask
from bourn_shell_plugins.pmix import library, server
from bourn_shell_plugins.pmix.plugin import Pmix, _distinct


@pytest.fixture
def job(tmp_path):
    made = FakeShellJob(ShellSpec(jobspec(system={"shell.options": {"pmi": "pmix"}})), str(tmp_path))
    Pmix().init(made)
    return made


def say(job, **message):
    job.channels[0].received(json.dumps(message).encode() + b"\n")


def told(job):
    return [json.loads(line) for line in job.channels[0].sent.splitlines()]


def test_the_server_is_told_the_job_and_its_environment_starts_the_tasks(job):
    assert job.holds == 1
    assert told(job)[0]["nodes"] == [[0, 1]]
    say(job, env=[{"PMIX_RANK": "0"}, {"PMIX_RANK": "1"}], folder="/there", shared="/there/shared")
    assert job.holds == 0
    task = FakeShellTask(job, 1, 1, env={"A": "b"})
    Pmix().task_init(job, task)
    assert task.env["PMIX_RANK"] == "1"
    assert task.env["A"] == "b"
    assert task.env["OMPI_MCA_btl_sm_backing_directory"] == "/there/shared"


def test_a_server_that_can_t_start_refuses_the_job(job):
    say(job, error="the PMIx library can't be loaded")
    assert job.holds == 0
    assert job.exceptions == [("-o pmi=pmix: the PMIx library can't be loaded", "exec", 0)]


def test_a_server_that_ends_early_fails_the_job_once_and_leaves_no_files(job, tmp_path):
    (tmp_path / "left" / "shared").mkdir(parents=True)
    say(job, env=[{}, {}], folder=f"{tmp_path}/left", shared=f"{tmp_path}/left/shared")
    job.channels[0].received(b"")
    assert [note for note, _, _ in job.exceptions] == ["-o pmi=pmix: its server has ended by itself"]
    Pmix().exit(job)
    assert not (tmp_path / "left").exists()


def test_lines_may_arrive_in_pieces(job):
    line = json.dumps({"abort": 1, "status": 7, "message": "N/A"}).encode() + b"\n"
    job.channels[0].received(line[:5])
    job.channels[0].received(line[5:])
    assert job.exceptions[0][0] == "task 1 of the parallel program called abort with exit code 7"


def test_a_fence_brings_everybody_s_data(job, monkeypatch):
    asked = []
    monkeypatch.setattr(job, "exchange", lambda name, data, done: asked.append((name, data, done)))
    say(job, fence=1, name="all", alone=False, data="YQ==")
    name, data, done = asked[0]
    assert (name, data) == ("pmix-all", {"0": "YQ=="})
    done({"0": "YQ==", "1": "Yg=="})
    assert told(job)[-1] == {"fenced": 1, "data": ["YQ==", "Yg=="]}
    say(job, fence=2, name="0,1", alone=True, data="YQ==")
    assert told(job)[-1] == {"fenced": 2, "data": ["YQ=="]}
    assert len(asked) == 1


def test_nodes_of_one_name_are_told_apart():
    assert _distinct("box,box,other") == ["box", "box-1", "other"]


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(library, "FILE", "libnosuch.so.9")
    with pytest.raises(library.LibraryError, match=r"the PMIx library can't be loaded: libnosuch\.so\.9"):
        library.Library()


class Fenced:
    """A server of node 0 of three, and what it says to its shell host."""

    def __init__(self, monkeypatch):
        self.server = server.Server()
        self.server.nodes = [[0, 1], [2, 3], [4]]
        self.said = []
        monkeypatch.setattr(self.server, "_say", lambda **members: self.said.append(members))

    def __call__(self, *ranks):
        procs = (library.Proc * len(ranks))(*(library.Proc(b"bourn-1", rank) for rank in ranks))
        data = ctypes.create_string_buffer(b"abc", 3)
        return self.server.fence(procs, len(ranks), None, 0, data, 3, None, None)


def test_a_fence_of_all_tasks_goes_to_the_other_nodes(monkeypatch):
    fence = Fenced(monkeypatch)
    assert fence(library.RANK_WILDCARD) == library.SUCCESS
    assert fence(0, 1, 2, 3, 4) == library.SUCCESS
    assert [said["alone"] for said in fence.said] == [False, False]
    assert [said["fence"] for said in fence.said] == [1, 2]
    assert fence.said[0]["data"] == "YWJj"
    # Fences of different tasks are exchanges of different names: they may overlap.
    assert fence.said[0]["name"] != fence.said[1]["name"]


def test_a_fence_within_the_node_stays_there_and_one_of_some_nodes_is_refused(monkeypatch):
    fence = Fenced(monkeypatch)
    assert fence(0, 1) == library.SUCCESS
    assert fence.said[0]["alone"]
    assert fence(0, 2) == library.NOT_SUPPORTED
    assert len(fence.said) == 1
