"""Benchmarks: programs that print what Bourn does beside what a bare loop does in the same run.

`python -m tests.bench` lists them, `python -m tests.bench NAME ...` runs some, `... all` runs all.
Figures of one machine at one time; the ratio is what can be compared.
"""
