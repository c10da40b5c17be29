"""What `bourn jobs` can show and how: usage, formats of one's own, colour, nested instances."""

import json

from tests.integration.instance import until


def test_what_jobs_used(bourn, jobs):
    rows = [
        line.split(",")
        for line in bourn.ok("jobs -a -n -o {name},{usage.wall},{usage.cpu},{usage.maxrss}").split()
    ]
    used = {name: values for name, *values in rows}
    assert float(used["bad"][0]) > 0
    assert float(used["bad"][1]) >= 0
    assert int(used["bad"][2]) > 100_000  # bytes
    assert bourn.ok("jobs -a -o usage").splitlines()[0].split()[-3:] == ["WALL", "CPU", "MAXRSS"]
    found = json.loads(bourn.ok("jobs -a --json"))["jobs"]
    assert {job["name"]: set(job["usage"]) for job in found}["good"] == {"wall", "cpu", "maxrss"}
    held = bourn.ok("submit --urgency=hold true")
    assert bourn.ok(f"jobs -n -o {{usage.wall}}{{name}} {held}") == "true"
    bourn.ok(f"cancel {held}")
    bourn.ok("queue drain")
    bourn.ok(f"job purge --force {held}")


def test_named_formats_of_a_users_own(bourn, jobs, tmp_path, monkeypatch):
    (tmp_path / "bourn").mkdir()
    config = tmp_path / "bourn" / "cli.toml"
    monkeypatch.setitem(bourn.env, "XDG_CONFIG_HOME", str(tmp_path))
    config.write_text('[jobs.formats]\nmine = "{name}+{ntasks}"\ndefault = "{name}!"\n')
    assert bourn.ok("jobs -a -n -o mine").split() == ["gone+1", "bad+2", "good+1"]
    assert bourn.ok("jobs -a -n -c1") == "gone!"
    assert "mine       {name}+{ntasks}" in bourn.ok("jobs -o help").splitlines()
    assert bourn.ok("top -1 -o mine -f inactive").splitlines()[-1] == "good+1"
    for text, message in (
        ("[jbs.formats]", f"{config}: [jbs]: unknown table; did you mean 'jobs'?"),
        ("[jobs.format]", f"{config}: [jobs.format]: unknown table; there is [jobs.formats]"),
        ("[jobs.formats]\nx = 1", f"{config}: [jobs.formats] x: must be a format such as '{{id}} {{name}}'"),
        ("[jobs", f"{config}: not TOML: "),
    ):
        config.write_text(text)
        found = bourn("jobs")
        assert found.err.startswith(f"bourn-jobs: error: {message}"), found
        assert (found.code, found.err.count("\n")) == (1, 1)


def test_colour_only_where_it_is_wanted(bourn, jobs):
    plain = bourn.ok("jobs -a")
    assert "\x1b" not in plain
    lines = bourn.ok("jobs -a --color=always").splitlines()
    assert [line.startswith("\x1b[") for line in lines] == [False, True, True, True]
    assert lines[2].startswith("\x1b[31m")
    assert [line.removeprefix(line[:5]).removesuffix("\x1b[m") for line in lines[1:]] == plain.splitlines()[
        1:
    ]


def test_jobs_without_a_field_sort_last_either_way(bourn, jobs):
    assert bourn.ok("jobs -a -n --sort=exception.type,name -o {name}").split() == ["gone", "bad", "good"]
    assert bourn.ok("jobs -a -n --sort=-exception.type,name -o {name}").split() == ["gone", "bad", "good"]


def test_nested_instances_are_indented(bourn):
    outer = bourn.words("batch", "-n2", "--wrap", "bourn submit --wait --job-name=leaf sleep 60").out.strip()
    bourn.ok(f"uri --wait {outer}")
    until(lambda: bourn(f"proxy {outer} bourn job last").code == 0)
    leaf = bourn.ok(f"proxy {outer} bourn job last")
    bourn.ok(f"proxy {outer} bourn job wait-event -q {leaf} start")
    lines = bourn("jobs -R -o {name}").out.splitlines()
    assert lines == ["NAME", "bourn", "", f"  {outer}:", "  NAME", "  leaf"]
    assert bourn("jobs -R -L0 -o {name}").out.splitlines() == ["NAME", "bourn"]
    (found,) = json.loads(bourn.ok("jobs -R --json"))["jobs"]
    assert [job["name"] for job in found["jobs"]] == ["leaf"]
    bourn.ok(f"cancel {outer}")
    bourn.ok("queue drain")
    assert "jobs" not in json.loads(bourn.ok("jobs -a -R --json"))["jobs"][0]


def test_a_summary_of_a_job(bourn):
    id = bourn.ok("submit -n2 --wait --job-name=sum --urgency=20 true")
    lines = dict(line.split(None, 1) for line in bourn.ok(f"job info {id}").splitlines())
    assert lines["job"] == f"{id} sum"
    assert (lines["status"], lines["urg"], lines["ntasks"], lines["rc"]) == ("COMPLETED", "20", "2", "0")
    assert lines["maxrss"].endswith("M")
    assert set(bourn.ok(f"job info {id} usage").strip("{}").split(",")) != set()
