from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn_plugins.simulate.axis import TimeAxis, round_top
from bourn_plugins.simulate.gantt import gantt_chart, runs
from bourn_plugins.simulate.job import Job, Trace, sized_jobspec
from bourn_plugins.simulate.machine import machine_of_text
from bourn_plugins.simulate.picture import check_picture, save_picture
from bourn_plugins.simulate.plot import averages, usage_plot
from bourn_plugins.simulate.setup import make_setting
from bourn_plugins.simulate.svg import Svg

MACHINE = machine_of_text("nodes=4,cores=4,gpus=1")
NS = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result():
    sizes = ({"nnodes": 3}, {"nnodes": 1, "ncores": 2}, {"nnodes": 1, "ncores": 1}, {"nnodes": 2})
    jobs = [Job(f"<{i}>", 0.0, 60.0, sized_jobspec(**size, duration=60)) for i, size in enumerate(sizes)]
    return make_setting(MACHINE, keys={"match-policy": "low"}).run(Trace(tuple(jobs)))


def test_gantt_chart(result):
    text = gantt_chart(result, MACHINE, "a < b")
    root = ElementTree.fromstring(text)
    tips = {
        rect.findtext(f"{NS}title"): float(rect.get("height")) for rect in root.iter(f"{NS}rect") if len(rect)
    }
    assert tips == {
        "job <0>: 3 nodes, 12 cores, 3 GPUs, 0 to 60 s": 120,
        "job <1>: 1 nodes, 2 cores, 0 to 60 s": 20,
        "job <2>: 1 nodes, 1 cores, 0 to 60 s": 10,
        "job <3>: 2 nodes, 8 cores, 2 GPUs, 60 to 120 s": 80,
    }
    words = [each.text for each in root.iter(f"{NS}text")]
    assert {"a < b", "node0", "node3", "1m", "2m"} <= set(words)
    assert gantt_chart(result, MACHINE, "a < b") == text


def test_plot(result):
    root = ElementTree.fromstring(usage_plot(result, MACHINE.capacity))
    words = [each.text for each in root.iter(f"{NS}text")]
    assert {"nodes in use, % of 4", "cores in use, % of 16", "gpus in use, % of 4"} <= set(words)
    assert len(list(root.iter(f"{NS}polygon"))) == 3
    assert len(list(root.iter(f"{NS}polyline"))) == 2


def test_files(tmp_path, result):
    path = tmp_path / "g.svg"
    save_picture(str(path), gantt_chart(result, MACHINE))
    assert ElementTree.parse(path).getroot().tag == f"{NS}svg"
    with pytest.raises(BournError, match=r"a picture's name must end with .svg or .png"):
        check_picture("g.pdf")
    with pytest.raises(BournError, match="No such file"):
        save_picture(str(tmp_path / "none" / "g.svg"), "")


def test_png(tmp_path, result):
    pytest.importorskip("resvg_py", reason="drawing PNG takes resvg-py")
    path = tmp_path / "g.png"
    save_picture(str(path), gantt_chart(result, MACHINE))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_png_without_a_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(BournError, match=r"pip install 'bourn\[png\]'"):
        check_picture("g.png")


@given(st.sets(st.integers(0, 40)))
def test_runs(numbers):
    found = list(runs(sorted(numbers)))
    assert [n for first, count in found for n in range(first, first + count)] == sorted(numbers)
    assert all(a + b < c for (a, b), (c, _) in pairwise(found))


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), min_size=1, max_size=30))
def test_averages_keep_the_sum(rows):
    times, values, now = [], [], 0.0
    for seconds, value in rows:
        times.append(now)
        values.append(value)
        now += seconds
    found = averages(times, values, TimeAxis(0.0, now, 0, 1))
    whole = sum(seconds * value for seconds, value in rows)
    assert sum(found) / len(found) * now == pytest.approx(whole)
    assert max(found) <= max(values) + 1e-6


def test_numbers_are_short():
    svg = Svg(10, 10)
    svg.line(0.1 + 0.2, 1e-9, -1e-9, 3)
    assert 'x1="0.3" y1="0" x2="0" y2="3"' in str(svg)


@pytest.mark.parametrize(("value", "top"), [(0.3, 1), (1, 1), (3, 5), (51, 100), (120, 200)])
def test_tops(value, top):
    assert round_top(value) == top


@pytest.mark.parametrize("span", [0.0, 0.01, 7, 59, 86400, 40 * 86400, 20 * 365 * 86400])
def test_axes_have_a_few_ticks(span):
    svg = Svg(100, 100)
    TimeAxis(0.0, span, 0, 100).draw(svg, 0, 100)
    assert str(svg).count("<text") <= 12
