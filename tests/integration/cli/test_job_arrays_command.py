"""Job arrays from the command line and from Python, against a real instance."""

import json

import pytest

import bourn as api


def failing(n: int) -> list[str]:
    return ["sh", "-c", f"test $BOURN_JOB_CC -ne {n} || exit 3"]


def test_many_copies_are_one_line(bourn):
    ids = bourn.ok("submit --cc=1-100 true").split()
    assert len(set(ids)) == 100
    bourn.ok("queue drain")
    [line] = bourn.ok("jobs -a -n -c1 -o {id.f58}|{status}|{contextual_info}").splitlines()
    name, status, info = line.split("|")
    assert (status, info) == ("COMPLETED", "100 completed")
    array, _, members = name.partition("[")
    assert members == "1-100]"
    listed = bourn.ok(f"jobs --members -n -o {{id}} {array}").split()
    assert sorted(listed) == sorted(ids)
    assert bourn.ok(f"jobs -n -o {{id}}={{status}} {array}[7]") == f"{ids[6]}=COMPLETED"


def test_an_array_by_its_own_option(bourn):
    [array] = bourn.words("submit", "--array=1-40", *failing(7)).lines
    found = bourn(f"job wait {array}")
    assert found.code == 1
    assert "of 40 members 1 failed" in found.err
    assert bourn.ok(f"jobs -n -o {{status}} {array}.7 {array}[8]").split() == ["FAILED", "COMPLETED"]
    assert bourn.ok(f"jobs --members -f failed -n -o {{returncode}} {array}") == "3"
    found = json.loads(bourn.ok(f"jobs --json {array}"))
    assert found["counts"]["completed"] == 39
    assert found["members"] == "1-40"


def test_the_status_of_an_array_is_that_of_its_worst_member(bourn):
    [array] = bourn.words("submit", "--array=1-40", *failing(7)).lines
    found = bourn(f"job status -v {array} {bourn.ok('submit true')}")
    assert found.code == 3
    assert found.lines[0] == f"{array}[1-40]: 39 completed, 1 failed"
    counts = json.loads(bourn.ok(f"job status --json {bourn.ok('submit --array=1-3 true')}"))["counts"]
    assert counts["completed"] == 3
    assert "no such job" in bourn("job status ƒ1").err


def test_following_arrays(bourn):
    found = bourn.words("submit", "--cc=1-50", "--watch", "--quiet", "sh", "-c", "echo $BOURN_JOB_CC")
    assert sorted(int(line.split()[-1]) for line in found.lines) == list(range(1, 51))
    assert bourn.words("submit", "--cc=1-50", "--wait", "--quiet", *failing(50)).code == 3
    found = bourn.words("submit", "--array=1-50", "--wait", *failing(1))
    assert (found.code, len(found.lines)) == (3, 1)
    found = bourn("bulksubmit --cc=1-40 --wait --progress true ::: a b")
    assert "CD:80" in found.err


def test_acting_upon_an_array(bourn):
    bourn.ok("queue stop --nocheckpoint")
    array = bourn.ok("submit --array=0-999 true")
    bourn.ok(f"job urgency {array} 20")
    assert bourn.ok(f"jobs -n -o {{urgency}} {array} {array}.999").split() == ["20", "20"]
    bourn.ok(f"cancel {array}.998")
    assert bourn.ok(f"job eventlog {array}[998]").splitlines()[-1].split()[1] == "clean"
    assert "1000 pending" in bourn.ok("jobs --stats-only") or "999 pending" in bourn.ok("jobs --stats-only")
    bourn.ok(f"cancel {array}")
    found = bourn(f"job wait {array}")
    assert "1000 canceled" in found.err
    bourn.ok("queue start")
    assert f"job array {array} has ended" in bourn(f"cancel {array}").err
    for line in ("job eventlog", "job attach", "job kill"):
        found = bourn(f"{line} {array}")
        assert (found.code, f"{array}[0-999]" in found.err) == (1, True), line


def test_cancel_all_reaches_members_that_are_no_jobs_yet(bourn):
    bourn.ok("queue stop --nocheckpoint")
    array = bourn.ok("submit --array=0-999 true")
    bourn.ok("cancel --all")
    assert "1000 canceled" in bourn(f"job wait {array}").err
    bourn.ok("queue start")


def test_a_member_that_is_looked_up_has_an_eventlog(bourn):
    """Though it becomes a job by that only."""
    bourn.ok("queue stop --nocheckpoint")
    with api.Handle(bourn.uri) as h:
        spec = api.Jobspec.from_command(["true"])
        array = api.job.submit_array(h, spec, range(1000))
        asked = [
            h.rpc("job-info.lookup", {"id": array[n], "keys": ["eventlog"]}) for n in range(400, 1000, 50)
        ]
        for reply in asked:
            assert json.loads(reply.get()["eventlog"].splitlines()[0])["name"] == "submit"
        array.cancel(h)
    bourn.ok("queue start")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("submit --array=1-3 --cc=1-2 true", "can't be used together"),
        ("submit --array=1-3 echo {cc}", r"members of an --array are alike: use $BOURN_JOB_CC"),
        ("submit --array=5000000 true", "numbers below 4194304, not 5000000"),
        ("submit --array=1-3 --flags=waitable true", "no flag waitable is needed"),
        ("submit --array=1-3 --queue=none true", "queue"),
        ("jobs --members ƒ1", "there is no job array ƒ1"),
    ],
)
def test_what_is_wrong_is_said(bourn, line, reason):
    found = bourn(line)
    assert found.code == 1
    assert reason in found.err


def test_arrays_in_python(bourn):
    with api.Handle(bourn.uri) as h:
        spec = api.Jobspec.from_command(failing(3))
        array = api.job.submit_array(h, spec, range(1, 11), key="render")
        assert api.job.submit_array(h, spec, range(1, 11), key="render").id == array.id
        success, errstr, counts = array.wait(h)
        assert (success, errstr) == (False, "of 10 members 1 failed")
        assert counts["completed"] == 9
        assert counts == array.counts(h)
        assert len(array) == 10
        assert api.job.result(h, array[3]).returncode == 3
        assert [info.id for info in array.jobs(h, filters="failed")] == [array[3]]
        assert str(api.JobArray.get(h, array.id)) == f"{array.id}[1-10]"
        with pytest.raises(KeyError, match="no member 11"):
            array[11]
        with pytest.raises(api.BournError, match="is a job, not a job array"):
            api.JobArray.get(h, array[3])


@pytest.mark.parametrize("scheme", ["afterok", "afterany", "afternotok"])
@pytest.mark.parametrize("status", [0, 3])
@pytest.mark.parametrize("ended", [False, True])
def test_jobs_that_depend_on_an_array(bourn, tmp_path, scheme, status, ended):
    gate = tmp_path / "gate"
    script = f"while ! test -e {gate}; do sleep 0.05; done; test $BOURN_JOB_CC -ne 2 || exit {status}"
    array = bourn.words("submit", "--array=1-3", "sh", "-c", script).out.strip()
    if ended:
        gate.touch()
        bourn(f"job wait {array}")
    met = scheme == "afterany" or (status == 0) == (scheme == "afterok")
    found = bourn(f"submit --dependency={scheme}:{array} true")
    if ended and not met:
        assert "can never be satisfied" in found.err
        return
    job = found.out.strip()
    if not ended:
        assert bourn.ok(f"jobs -n -o {{dependencies}} {job}") == f"{scheme}={array}"
        gate.touch()
    assert bourn(f"job status {job}").code == (0 if met else 1)


def test_other_dependencies_on_arrays_are_refused(bourn):
    array = bourn.ok("submit --array=1-3 true")
    found = bourn(f"submit --dependency=afterstart:{array} true")
    assert "a job array can be waited for by afterany, afterok, afternotok" in found.err
