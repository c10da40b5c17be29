from datetime import datetime

import pytest

from bourn.cli import jobspec_args, options
from bourn.cli.parser import Parser
from bourn.cli.when import parse_when
from bourn.errors import BournError


def parse(line):
    parser = Parser(prog="bourn submit")
    options.add_resource_options(parser)
    options.add_job_options(parser)
    options.add_submit_options(parser)
    options.add_command(parser)
    return parser.parse_args(line.split())


def spec(line):
    args = parse(line)
    return jobspec_args.jobspec(args, args.command_line, {"A": "1", "B": "2"})


def system(line):
    return spec(line)["attributes"]["system"]


def test_tasks_cores_and_gpus():
    assert spec("-n3 -c2 -g1 app -x -n9")["tasks"][0]["command"] == ["app", "-x", "-n9"]
    slot = spec("-n3 -c2 -g1 app")["resources"][0]
    assert slot["count"] == 3
    assert slot["with"] == [{"type": "core", "count": 2}, {"type": "gpu", "count": 1}]


def test_nodes_alone_mean_a_task_each():
    obj = spec("-N2 app")
    assert obj["resources"][0] == {
        "type": "node",
        "count": 2,
        "with": [{"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "task"}],
    }


def test_tasks_per_node_without_cores():
    obj = spec("-N2 --tasks-per-node=3 app")
    assert obj["resources"][0]["with"][0]["count"] == 3


def test_per_resource():
    obj = spec("--cores=16 --tasks-per-core=2 app")
    assert obj["attributes"]["system"]["shell"]["options"]["per-resource"] == {"type": "core", "count": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no command"),
        ("-n0 app", "--ntasks=0: must be a whole number from 1"),
        ("-N3 -n2 app", "must not be greater"),
        ("-x app", "--exclusive can only"),
        ("-n2 --cores=4 app", "--ntasks and --cores can't"),
        ("--cores=4 --tasks-per-node=1 --tasks-per-core=1 -N1 app", "--tasks-per-node and --tasks-per-core"),
        ("-t bogus app", "--time-limit: 'bogus'"),
        ("--dependency=after app", "not scheme:value"),
        ("--flags=debgu app", "did you mean 'debug'"),
        ("--urgency=32 app", "0 to 31"),
        ("--signal=SIGFOO app", "no such signal"),
        ("--add-file=/nowhere app", "/nowhere"),
        ("--begin-time=someday app", "is no time"),
    ],
)
def test_bad_values_are_named(line, message):
    args = parse(line)
    with pytest.raises(BournError, match=message):
        make_all(args)


def make_all(args):
    jobspec_args.jobspec(args, args.command_line, {})
    jobspec_args.flags(args)
    jobspec_args.urgency(args)


def test_time_limit_is_minutes_unless_it_has_a_unit():
    assert system("-t 2 app")["duration"] == 120
    assert system("-t 1.5h app")["duration"] == 5400
    assert system("-t inf app")["duration"] == 0


def test_environment():
    assert system("app")["environment"] == {"A": "1", "B": "2"}
    assert system("--env=-* --env=B --env=C=$A app")["environment"] == {"B": "2", "C": "1"}
    assert system("--env-remove=A app")["environment"] == {"B": "2"}


def test_options_and_attributes_are_typed():
    system_ = system("-o a.b=[1] -o c -o d=x=y --setattr=user.z={} --setattr=project=true app")
    assert system_["shell"]["options"] == {"a": {"b": [1]}, "c": 1, "d": "x=y"}
    assert system_["project"] is True
    assert spec("--setattr=user.z=3 app")["attributes"]["user"] == {"z": 3}


def test_dependencies():
    found = system(
        "--dependency=afterok:f1 --dependency=out:foo --dependency=x:y?a=1&b=c --dependency=singleton app"
    )
    assert found["dependencies"] == [
        {"scheme": "afterok", "value": "f1"},
        {"scheme": "string", "value": "foo", "type": "out", "scope": "user"},
        {"scheme": "x", "value": "y", "a": 1, "b": "c"},
        {"scheme": "singleton", "value": ""},
    ]


def test_input_of_some_tasks_is_no_file():
    assert "shell" not in system("--input=0-3 app")
    assert system("--input=f.txt app")["shell"]["options"]["input"]["stdin"]["path"] == "f.txt"


def test_signal_and_flags():
    assert system("--signal=USR2@10s app")["shell"]["options"]["signal"] == {"signum": 12, "timeleft": 10.0}
    assert jobspec_args.flags(parse("--flags=debug,waitable app")) == 6


def test_add_file(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff")
    (tmp_path / "b").write_text("text")
    files = system(f"--add-file={tmp_path}/a --add-file=x:0700={tmp_path}/b app")["files"]
    assert files["a"]["encoding"] == "base64"
    assert (files["x"]["data"], files["x"]["mode"]) == ("text", 0o100700)


def test_points_in_time():
    now = datetime(2030, 1, 31, 13, 0).timestamp()
    assert parse_when("+5m", now) == now + 300
    assert parse_when("14:30", now) == now + 5400
    assert parse_when("12:00", now) == now + 23 * 3600
    assert parse_when("2030-01-31T13:00:10", now) == now + 10
    assert parse_when("midnight", now) == now + 11 * 3600
    assert parse_when("123.5", now) == 123.5
