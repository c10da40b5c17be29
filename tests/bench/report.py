"""One way to print a figure beside the bare loop of the same run."""

from __future__ import annotations


def rate(what: str, value: float, unit: str, bare: float, bare_name: str) -> None:
    """Print a rate and its ratio to the bare loop's."""
    print(f"{what:48} {value:10,.0f} {unit:9} {value / bare:7.3f} of {bare_name} ({bare:,.0f})", flush=True)


def seconds(what: str, value: float, bare: float, bare_name: str) -> None:
    """Print a time and how many times the bare one it is."""
    print(f"{what:48} {value:10.4f} s         {value / bare:7.1f} x {bare_name} ({bare:.4f} s)", flush=True)
