import pytest


def test_copies_in_one_request(bourn):
    ids = bourn.ok("submit --cc=1-20 true").split()
    assert len(set(ids)) == 20
    bourn.ok("queue drain")
    assert bourn.ok("jobs -a -n -c20 -o {status}").split() == ["COMPLETED"] * 20


def test_copies_know_who_they_are(bourn):
    found = bourn.words("submit", "--cc=3,5", "--watch", "--quiet", "sh", "-c", "echo {cc}-$BOURN_JOB_CC")
    assert sorted(found.lines) == ["3-3", "5-5"]
    found = bourn.words(
        "submit", "--bcc=7", "--watch", "--quiet", "sh", "-c", "echo {cc}-${BOURN_JOB_CC:-none}"
    )
    assert found.lines == ["7-none"]


def test_wait_returns_the_worst_status(bourn):
    assert bourn.words("submit", "--cc=0-3", "--wait", "--quiet", "sh", "-c", "exit {cc}").code == 3
    assert bourn("submit --wait --quiet true").code == 0


def test_wait_for_an_event(bourn):
    found = bourn("submit --wait-event=start sleep 60")
    assert found.code == 0
    assert bourn.ok("jobs -n -o {status}") == "RUN"
    bourn.ok(f"cancel {found.out.strip()}")


def test_exceptions_are_told_while_waiting(bourn):
    found = bourn("submit --wait no-such-program")
    assert found.code == 127
    assert "exception: type=exec" in found.err


def test_log_files_of_copies(bourn):
    assert bourn("submit --cc=1-2 --watch --log=log.{cc} echo hi").out == ""
    lines = (bourn.cwd / "log.2").read_text().splitlines()
    assert lines[0].startswith("ƒ")
    assert lines[1] == "hi"


def test_progress_goes_to_standard_error(bourn):
    found = bourn("submit --cc=1-3 --progress --jps --wait --quiet true")
    assert found.code == 0
    assert "CD:3" in found.err
    assert found.out == ""


def test_inputs_from_the_command_line_and_from_standard_input(bourn):
    found = bourn("bulksubmit --watch --quiet echo {1}{0.%} ::: a.x b.y ::: 1 2")
    assert sorted(found.lines) == ["1a", "1b", "2a", "2b"]
    found = bourn("bulksubmit --watch --quiet --job-name=j{seq} echo {}", stdin=b"one\ntwo words\n")
    assert sorted(found.lines) == ["one", "two words"]
    assert sorted(bourn.ok("jobs -a -n -c2 -o {name}").split()) == ["j0", "j1"]


def test_options_are_templates_too(bourn):
    bourn.ok("bulksubmit --wait --quiet -n {} true ::: 1 3")
    assert sorted(bourn.ok("jobs -a -n -c2 -o {ntasks}").split()) == ["1", "3"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("submit -n99 true", "bourn-submit: error: needs 99 cores, "),
        ("submit -N2 true", "bourn-submit: error: needs 2 nodes, "),
        ("submit --queue=batch true", "no queue 'batch'"),
        ("submit", "bourn-submit: error: no command given\n"),
        ("submit --cc=x true", "bourn-submit: error: idset 'x'"),
        ("bulksubmit echo {.stme} ::: a", "did you mean 'stem'?"),
        ("bulksubmit echo {}", "there are no inputs"),
    ],
)
def test_what_is_refused_is_told_in_one_line(bourn, line, message):
    found = bourn(line)
    assert found.code == 1
    assert message in found.err
    assert found.err.count("\n") == 1
    assert found.out == ""


def test_one_bad_job_refuses_the_batch(bourn):
    before = bourn.ok("jobs --stats-only")
    assert "job 1: needs 99" in bourn("bulksubmit -n {} true ::: 1 99").err
    assert bourn.ok("jobs --stats-only") == before


def test_dependencies(bourn):
    first = bourn.ok("submit sleep 60")
    second = bourn.ok(f"submit --dependency=afterany:{first} true")
    assert bourn.ok("jobs -n -f pending -o {status_abbrev},{contextual_info}").startswith("D,depends:after")
    bourn.ok(f"cancel {first}")
    assert bourn(f"job status {second}").code == 0


def test_held_until_released(bourn):
    id = bourn.ok("submit --urgency=hold true")
    assert bourn.ok("jobs -n -o {contextual_info}") == "held"
    assert bourn(f"job urgency -v {id} default").err == f"job {id}: urgency 0 -> 16\n"
    assert bourn(f"job status {id}").code == 0


def test_a_jobspec_from_a_file_or_standard_input(bourn):
    spec = bourn.ok("submit --dry-run -n2 hostname")
    (bourn.cwd / "spec.json").write_text(spec)
    id = bourn.ok("job submit --urgency=3 --flags=debug spec.json")
    assert bourn.ok(f"jobs -n -o {{urgency}},{{ntasks}} {id}") == "3,2"
    id = bourn("job submit", stdin=spec.encode()).out.strip()
    assert bourn.ok(f"jobs -n -o {{ntasks}} {id}") == "2"
    for words, text, message in (
        ("nowhere.yaml", "", "nowhere.yaml: No such file or directory"),
        ("-", "{", "<stdin>: line 1: not YAML: "),
        ("-", "version: 1", "misses the key 'attributes' (<stdin>)"),
        ("--urgency=99", spec, "urgency 99: must be 0 to 31"),
        ("--flags=x", spec, "--flags: no such flag 'x'"),
    ):
        found = bourn(f"job submit {words}", stdin=text.encode())
        assert (found.code, found.err.count("\n")) == (1, 1), found
        assert message in found.err
