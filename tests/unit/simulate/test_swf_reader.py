import gzip

import pytest

from bourn.errors import BournError
from bourn_plugins.simulate.swf import read_swf
from bourn_plugins.simulate.trace import read_lines, read_trace, trace_format

HEADER = [
    "; Version: 2.2",
    ";   Computer: Thinking Machines CM-5",
    "; MaxNodes: 1024 (in two partitions)",
    "; MaxProcs:4096",
    ";",
    "; a note without a label",
    "",
]


def line(
    number=1, submit=0, runtime=100, used=4, asked=4, limit=200, user=7, status=1
):  # the fields that are used, by name
    fields = (number, submit, -1, runtime, used, -1, -1, asked, limit, -1, status, user, *[-1] * 6)
    return " ".join(map(str, fields))


def test_a_job_and_the_header():
    found = read_swf([*HEADER, line(number=12, submit=30)])
    assert found.header["Computer"] == "Thinking Machines CM-5"
    assert found.machine == (1024, 4)
    (job,) = found.jobs
    assert (job.name, job.submit, job.runtime, job.user) == ("12", 30.0, 100.0, 7)
    counts = job.jobspec.counts
    assert (counts.ncores, counts.nnodes, counts.duration) == (4, None, 200.0)


def test_a_machine_of_processors_only():
    assert read_swf(["; MaxProcs: 512"]).machine == (512, 1)
    assert read_swf(["; MaxProcs: unknown"]).machine is None


def test_unknown_fields():
    used, unlimited, unknown_user = read_swf([line(asked=-1, used=6), line(limit=-1), line(user=-1)]).jobs
    assert used.jobspec.counts.ncores == 6
    assert unlimited.jobspec.counts.duration == 100.0
    assert unknown_user.user == 0


def test_jobs_that_never_ran_are_counted():
    found = read_swf([line(runtime=-1, status=5), line(used=-1, asked=-1), line()])
    assert (len(found.jobs), found.skipped) == (1, 2)


def test_equal_sizes_share_a_jobspec():
    one, other = read_swf([line(number=1), line(number=2)]).jobs
    assert one.jobspec is other.jobspec


def test_whole_nodes():
    (job,) = read_swf([line(asked=9)], cores_per_node=4).jobs
    assert (job.jobspec.counts.nnodes, job.jobspec.counts.exclusive) == (3, True)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("1 2 3", "a job has 18 fields, not 3"),
        (line(runtime="soon"), "run time: must be a number, or -1 for unknown, not 'soon'"),
        (line(asked=-4), "requested processors: must be a number, or -1 for unknown, not '-4'"),
        (line(limit="inf"), "requested time: must be a number"),
        (line(submit="nan"), "submit time: must be a number"),
        (line(submit=-1), "submit time: must be known"),
    ],
)
def test_a_wrong_line_is_named(bad, reason):
    with pytest.raises(BournError) as error:
        read_trace("t.swf", ["; Version: 2", line(), bad], "swf")
    assert error.value.message.startswith("t.swf:3: ")
    assert reason in error.value.message


def test_an_empty_trace_is_refused():
    with pytest.raises(BournError, match=r"t\.swf: there is no job in it that ran"):
        read_trace("t.swf", HEADER, "swf")


def test_files(tmp_path):
    packed = tmp_path / "t.swf.gz"
    packed.write_bytes(gzip.compress(f"{HEADER[0]}\n{line()}\n".encode()))
    lines = read_lines(str(packed))
    assert trace_format(lines) == "swf"
    assert len(read_trace(str(packed), lines, "swf").jobs) == 1
    assert trace_format(["", ' {"nnodes": 1}']) == "jsonl"
    for content, reason in ((b"\x1f\x8bxx", "not whole as a gzip file"), (b"\xff\xfe1", "not UTF-8 text")):
        packed.write_bytes(content)
        with pytest.raises(BournError, match=reason):
            read_lines(str(packed))
    with pytest.raises(BournError, match="No such file"):
        read_lines(str(tmp_path / "none"))
