import json

import pytest


def test_the_table(bourn, jobs):
    lines = bourn.ok("jobs -a").splitlines()
    assert lines[0].split() == ["JOBID", "USER", "NAME", "ST", "NTASKS", "NNODES", "TIME", "INFO"]
    assert [line.split()[2:6] for line in lines[1:]] == [
        ["gone", "CA", "1", "1"],
        ["bad", "F", "2", "1"],
        ["good", "CD", "1", "1"],
    ]
    assert bourn.ok("jobs") == lines[0].strip()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("-f failed", "bad"),
        ("-f canceled,completed", "gone good"),
        ("-f inactive --name=good", "good"),
        ("-a -c 1", "gone"),
        ("-a --sort=name", "bad gone good"),
        ("-a --sort=-name", "good gone bad"),
        ("-a --sort=-ntasks,name", "bad gone good"),
        ("--since=-1h", "gone bad good"),
        ("--since=+1h", ""),
        ("-a -i node0", "gone bad good"),
        ("-a -u root", "gone bad good"),
    ],
)
def test_filters_and_order(bourn, jobs, options, names, monkeypatch):
    import os
    import pwd

    options = options.replace("root", pwd.getpwuid(os.getuid()).pw_name)
    assert bourn.ok(f"jobs -n -o {{name}} {options}").split() == names.split()


def test_by_id_in_that_order(bourn, jobs):
    assert bourn.ok(f"jobs -n -o {{name}} {jobs[0]} {jobs[2]}").split() == ["good", "gone"]
    assert "does not exist" in bourn("jobs f12345").err


def test_named_formats_and_conversions(bourn, jobs):
    assert bourn.ok("jobs -a -n -o endreason").splitlines()[0].endswith("Canceled: enough")
    row = bourn.words(
        "jobs", "-n", "-o", "{id.dec}|{returncode}|{success}|{exception.type}|{t_run!d:%Y}|{result}", jobs[1]
    )
    assert row.out.split("|")[1:] == [
        "1",
        "False",
        "",
        bourn.ok("jobs -a -n -c1 -o {t_run!d:%Y}"),
        "FAILED\n",
    ]
    assert "did you mean 'nodelist'" in bourn("jobs -o {nodelst}").err
    assert "did you mean 'long'" in bourn("jobs -o lng").err


def test_json(bourn, jobs):
    listing = json.loads(bourn.ok("jobs -a --json"))
    assert [job["name"] for job in listing["jobs"]] == ["gone", "bad", "good"]
    one = json.loads(bourn.ok(f"jobs --json {jobs[2]}"))
    assert (one["status"], one["exception"]["type"], one["exception"]["note"]) == (
        "CANCELED",
        "cancel",
        "enough",
    )


def test_counts(bourn, jobs):
    assert bourn.ok("jobs --stats-only") == "0 running, 1 completed, 1 failed, 0 pending, 1 canceled"
    assert json.loads(bourn.ok("job stats"))["job_states"]["inactive"] == 3


def test_ids_in_all_encodings(bourn, jobs):
    dec = bourn.ok(f"job id {jobs[0]}")
    for form in ("hex", "dothex", "f58plain", "words", "kvs", "emoji"):
        assert bourn.ok(f"job id {bourn.ok(f'job id --to={form} {dec}')}") == dec
    assert "did you mean 'dothex'" in bourn(f"job id --to=dothx {dec}").err


def test_events_of_a_job(bourn, jobs):
    names = [line.split()[1] for line in bourn.ok(f"job eventlog {jobs[0]}").splitlines()]
    assert names[0] == "submit"
    assert names[-1] == "clean"
    first = json.loads(bourn.ok(f"job eventlog -f json {jobs[0]}").splitlines()[0])
    assert first["context"]["urgency"] == 16
    assert bourn.ok(f"job eventlog -T offset {jobs[0]}").startswith("0.000000 submit ")
    assert "start" in bourn.ok(f"job wait-event {jobs[0]} start")
    assert "was never posted" in bourn(f"job wait-event {jobs[0]} memo").err
    assert bourn(f"job wait-event -t 10ms {jobs[0]} start").code == 0


def test_records_of_a_job(bourn, jobs):
    assert json.loads(bourn.ok(f"job info {jobs[0]} R"))["version"] == 1
    assert json.loads(bourn.ok(f"job info {jobs[0]} jobspec"))["tasks"][0]["command"] == ["true"]
    assert "did you mean 'jobspec'" in bourn(f"job info {jobs[0]} jobspek").err


def test_last(bourn, jobs):
    assert bourn.ok("job last") == jobs[2]
    assert bourn.ok("job last 2").split() == [jobs[2], jobs[1]]
    assert bourn.ok("job last [1]") == jobs[1]
    assert bourn.ok("job last [0:2]").split() == [jobs[2], jobs[1]]


def test_status_and_wait(bourn, jobs):
    assert bourn(f"job status {jobs[0]} {jobs[1]}").code == 1
    assert "was not submitted with the flag waitable" in bourn(f"job wait {jobs[0]}").err
    id = bourn.ok("submit --flags=waitable true")
    assert bourn.ok("job wait") == id
    bourn.ok("submit --flags=waitable --cc=1-2 true")
    found = bourn("job wait --all -v")
    assert (found.code, len(found.lines)) == (0, 2)


def test_find_by_name(bourn, jobs):
    assert bourn.ok("pgrep -a ^g").split() == [jobs[2], jobs[0]]
    assert bourn("pgrep nothing-like-it").code == 1
    bourn.ok("submit --job-name=victim sleep 60")
    assert bourn("pkill --wait victim").err == "bourn-pkill: Canceled 1 job\n"


def test_signals_exceptions_and_limits(bourn, jobs):
    id = bourn.words(
        "submit", "-t", "1h", "sh", "-c", "trap 'exit 5' USR1; touch ready; while :; do sleep 0.05; done"
    ).out.strip()
    bourn.ok(f"job wait-event -q {id} start")
    assert 3500 < int(bourn.ok(f"job timeleft {id}")) <= 3600
    bourn.ok(f"job raise -s 3 -t note -m careful {id}")
    assert "severity=3 note=careful" in bourn.ok(f"job eventlog {id}")
    bourn.ok(f"job memo {id} step=3")
    assert "memo step=3" in bourn.ok(f"job eventlog {id}")
    while not (bourn.cwd / "ready").exists():
        pass
    bourn.ok(f"job kill -s USR1 {id}")
    assert bourn(f"job status {id}").code == 5
    assert bourn(f"job kill {id}").err == f"bourn-job: error: job {id} is inactive\n"
    assert "no such signal" in bourn(f"job kill -s FOO {id}").err


def test_updates(bourn, jobs):
    id = bourn.ok("submit --urgency=0 -t 10m true")
    bourn.ok(f"update {id} duration=+5m")
    assert bourn.ok("jobs -n -o {duration!F}") == "15m"
    assert bourn.ok(f"update --dry-run {id} queue=x") == "attributes.system.queue=x"
    assert "must be KEY=VALUE" in bourn(f"update {id} duration").err
    bourn.ok(f"cancel {id}")


def test_many_at_once(bourn, jobs):
    bourn.ok("submit --cc=1-3 --urgency=0 true")
    assert bourn("cancel --dry-run --all").err == "Would cancel 3 jobs\n"
    assert "matched 3 jobs" in bourn("job raiseall -S pending mytype").err
    assert bourn("cancel --all").err == "Canceled 3 jobs\n"
    assert "name jobs" in bourn("cancel").err
    assert "no such job" in bourn("cancel f1234").err


def test_purge_is_last(bourn, jobs):
    bourn.ok("queue drain")
    assert bourn.ok("job purge --num-limit=2").startswith("use --force to purge ")
    assert bourn.ok("job purge --force --num-limit=0").startswith("purged ")
    assert bourn.ok("jobs -a -n") == ""
