"""Pictures of a simulation, as SVG: who had which node when, and how much was in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.simulate import Report

_WIDTH, _MARGIN = 960, 60
_COLORS = ("#4878a8", "#e49444", "#6a9f58", "#d1615d", "#85b6b2", "#967662", "#a87c9f", "#e7ca60")


def gantt(report: Report) -> str:
    """Return a bar for each job on each of its nodes."""
    done = report.done
    atoms = sorted({atom for job in done for atom in job.nodes})
    rows = {atom: i for i, atom in enumerate(atoms)}
    height = max(2, min(24, 720 // max(1, len(atoms))))
    scale = (_WIDTH - 2 * _MARGIN) / (report.makespan or 1)
    lanes = _lanes(report)
    body = []
    for job in done:
        assert job.start is not None
        assert job.end is not None
        x = _MARGIN + job.start * scale
        width = max(0.5, (job.end - job.start) * scale - 0.5)
        for atom in job.nodes:
            lane, of = lanes[job.id, atom]
            y = 20 + rows[atom] * height + lane * height / of
            color = _COLORS[job.id % len(_COLORS)]
            body.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height / of:.1f}" '
                f'fill="{color}">'
                f"<title>job {job.id} {job.name}: {job.start:g}-{job.end:g} s</title></rect>"
            )
    return _page(body, 20 + len(atoms) * height, report.makespan, "nodes")


def _lanes(report: Report) -> dict[tuple[int, int], tuple[int, int]]:
    """Return (lane, number of lanes) of each job on each node: jobs side by side don't cover each other."""
    by_atom: dict[int, list[tuple[float, float, int]]] = {}
    for job in report.done:
        for atom in job.nodes:
            by_atom.setdefault(atom, []).append((job.start or 0.0, job.end or 0.0, job.id))
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for atom, spans in by_atom.items():
        ends: list[float] = []
        places: dict[int, int] = {}
        for start, end, job_id in sorted(spans):
            lane = next((i for i, until in enumerate(ends) if until <= start), len(ends))
            if lane == len(ends):
                ends.append(end)
            else:
                ends[lane] = end
            places[job_id] = lane
        for job_id, lane in places.items():
            found[job_id, atom] = (lane, len(ends))
    return found


def utilization(report: Report) -> str:
    """Return the share of cores, and of GPUs, in use over time."""
    height = 300
    body = [_steps(report, 1, report.total_cores, height, _COLORS[0], "cores")]
    if report.total_gpus:
        body.append(_steps(report, 2, report.total_gpus, height, _COLORS[1], "GPUs"))
    return _page(body, 20 + height, report.makespan, "in use")


def _steps(report: Report, column: int, total: int, height: int, color: str, name: str) -> str:
    scale = (_WIDTH - 2 * _MARGIN) / (report.makespan or 1)
    points: list[str] = []
    level = 20.0 + height
    for entry in report.usage:
        x = _MARGIN + entry[0] * scale
        points.append(f"{x:.1f},{level:.1f}")
        level = 20 + height * (1 - entry[column] / (total or 1))
        points.append(f"{x:.1f},{level:.1f}")
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}"><title>{name}</title></polyline>'
    )


def _page(body: list[str], bottom: float, span: float, label: str) -> str:
    ticks = []
    for i in range(6):
        x = _MARGIN + i * (_WIDTH - 2 * _MARGIN) / 5
        ticks.append(
            f'<text x="{x:.0f}" y="{bottom + 18:.0f}" text-anchor="middle">{span * i / 5:,.0f} s</text>'
        )
    frame = (
        f'<rect x="{_MARGIN}" y="20" width="{_WIDTH - 2 * _MARGIN}" height="{bottom - 20:.0f}" '
        'fill="none" stroke="#888"/>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom + 30:.0f}" '
            'font-family="sans-serif" font-size="11">',
            f'<text x="{_MARGIN}" y="14">{label}</text>',
            frame,
            *body,
            *ticks,
            "</svg>",
            "",
        ]
    )
