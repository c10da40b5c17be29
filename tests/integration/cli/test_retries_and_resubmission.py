"""Jobs that fail: run again by themselves, or submitted again."""

import pytest

import bourn as api


def flaky(path) -> list[str]:
    """Return a command that fails until its mark is there."""
    return ["sh", "-c", f"echo try; test -e {path} || {{ touch {path}; exit 3; }}"]


def test_run_tells_of_each_attempt(bourn, tmp_path):
    found = bourn.words("run", "--retries=3", *flaky(tmp_path / "mark"))
    assert (found.code, found.out) == (0, "try\ntry\n")
    assert "attempt 2, after exit status 3" in found.err
    assert bourn.ok("jobs -a -n -c1 -o {status}:{retries}") == "COMPLETED:1"
    assert bourn("run --retries=1 false").err.count("exit code 1") == 2
    assert bourn("run --retries=1 --retry-on=2-9 false").err.count("exit code 1") == 1


def test_attempts_are_marked_in_the_log(bourn, tmp_path):
    id = bourn.words("submit", "--wait", "--retries=3", *flaky(tmp_path / "mark")).out.strip()
    assert '"name":"retry","context":{"attempt":2,"cause":"exit status 3"}' in bourn.ok(
        f"job info {id} guest.output"
    )
    assert bourn.ok(f"job attach {id}") == "try\ntry"
    assert '"R_lite"' in bourn.ok(f"job info {id} R")


def test_members_of_arrays_are_run_again(bourn, tmp_path):
    found = bourn.words(
        "submit", "--array=1-40", "--wait", "--retries=1", *flaky(f"{tmp_path}/$BOURN_JOB_CC")
    )
    assert found.code == 0
    array = found.out.strip()
    assert bourn.ok(f"jobs --members -n -o {{retries}} {array}").split() == ["1"] * 40


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("run --retries=2 --retry-on=singal true", "'singal' is no condition; did you mean 'signal'?"),
        ("run --retry-on=3 true", "--retry-on needs --retries"),
        ("run --retries=many true", "retries=many: must be a whole number"),
        ("submit --setattr=retry.limit=3 --setattr=retry.no=3 true", "retry"),
    ],
)
def test_what_is_wrong_is_said(bourn, line, reason):
    found = bourn(line)
    assert found.code == 1
    assert reason in found.err


def test_futures_wait_for_the_last_attempt(bourn, tmp_path):
    with api.Executor(bourn.uri) as executor:
        spec = api.Jobspec.from_command(flaky(tmp_path / "mark"), retries=1)
        assert executor.submit(spec).result() == 0
        assert executor.submit(api.Jobspec.from_command(["false"], retries=1)).result() == 1


def test_failed_members_are_submitted_again(bourn, tmp_path):
    command = ["sh", "-c", f"test $BOURN_JOB_CC -gt 5 -o -e {tmp_path}/$BOURN_JOB_CC || exit $BOURN_JOB_CC"]
    array = bourn.words("submit", "--array=1-40", *command).out.strip()
    bourn(f"job wait {array}")
    some = bourn.ok(f"resubmit --exit=2-3 {array}")
    assert bourn.ok(f"jobs -n -o {{members}} {some}") == "2-3"
    bourn(f"job wait {some}")
    for number in range(1, 6):
        (tmp_path / str(number)).touch()
    again = bourn.ok(f"resubmit {array}")
    assert bourn.ok(f"jobs -n -o {{members}} {again}") == "1-5"
    assert bourn(f"job wait {again}").code == 0
    found = bourn(f"resubmit {again}")
    assert (found.out, found.code) == ("", 0)
    assert "nothing to submit again" in found.err


def test_a_job_is_submitted_again(bourn):
    id = bourn.words("submit", "--wait", "--urgency=9", "--job-name=first", "false").out.strip()
    again = bourn.ok(f"resubmit {id}")
    assert again != id
    bourn(f"job status {again}")
    assert bourn.ok(f"jobs -n -o {{name}}:{{urgency}}:{{returncode}} {again}") == "first:9:1"
    assert id in bourn.ok(f"job info {again} jobspec")
    assert "nothing to submit" in bourn(f"resubmit --canceled {id}").err
    sleeper = bourn.ok("submit sleep 100")
    found = bourn(f"resubmit {sleeper}")
    assert found.code == 1
    assert "is active: only jobs that have ended" in found.err
    bourn.ok(f"cancel {sleeper}")
    with api.Handle(bourn.uri) as h:
        assert api.job.resubmit(h, id, results=["completed"]) is None
        with pytest.raises(api.BournError, match=r"'fialed' is no result of a job; did you mean 'failed'"):
            api.job.resubmit(h, id, results=["fialed"])
