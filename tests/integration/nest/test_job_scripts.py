"""Batch scripts: directives, where the text is from, and one allocation divided among instances."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.instance import Shell

OUTER = """\
bourn batch -n2 -c4 run.dock.sh
bourn batch -n1 -c4 -g1 run.MD.sh
bourn batch -n1 -c4 -g1 run.AI.sh
bourn queue drain
"""


def test_the_emerging_job_script(shell: Shell) -> None:
    """One allocation divided among nested instances; the outer script waits for all."""
    for name in ("dock", "MD", "AI"):
        shell.write(
            f"run.{name}.sh", f"#!/bin/sh\n(bourn resource info; bourn run -n4 echo {name}) > {name}.out\n"
        )
    id = shell.ok("bourn batch -N1 -n4 -c4 -g0 -x --output=outer.out --wrap", stdin=OUTER)
    shell.ok("bourn queue drain")
    assert shell.ok(f"bourn jobs -n -o '{{status}}' {id}") == "COMPLETED", (
        shell.cwd / "outer.out"
    ).read_text()
    first = {name: (shell.cwd / f"{name}.out").read_text().splitlines() for name in ("dock", "MD", "AI")}
    assert first == {
        "dock": ["1 Nodes, 8 Cores, 0 GPUs", *["dock"] * 4],
        "MD": ["1 Nodes, 4 Cores, 1 GPUs", *["MD"] * 4],
        "AI": ["1 Nodes, 4 Cores, 1 GPUs", *["AI"] * 4],
    }
    assert len((shell.cwd / "outer.out").read_text().split()) == 3


def test_the_conventional_job_script(shell: Shell) -> None:
    id = shell.ok("bourn batch -N1 -n16 --wrap", stdin="  bourn run -N1 -n16 echo sim.app\n")
    shell.ok("bourn queue drain")
    assert (shell.cwd / f"bourn-{id}.out").read_text().split() == ["sim.app"] * 16


def test_directives_and_the_command_line_over_them(shell: Shell) -> None:
    shell.write(
        "job.sh",
        "#!/bin/sh\n# flux: -n4 -c2\n"
        "# flux: --job-name=named --setattr=user.a=1\n# flux: --setattr=user.b=2\ntrue\n",
    )
    spec = json.loads(shell.ok("bourn batch --dry-run -c3 --setattr=user.c=3 job.sh one 'two three'"))
    slot = spec["resources"][0]
    assert (slot["count"], slot["with"][0]["count"]) == (4, 3)
    assert spec["attributes"]["system"]["job"]["name"] == "named"
    assert spec["attributes"]["user"] == {"a": 1, "b": 2, "c": 3}
    assert spec["tasks"][0]["command"][-3:] == ["{{tmpdir}}/script", "one", "two three"]
    output = spec["attributes"]["system"]["shell"]["options"]["output"]
    assert output["stdout"]["path"] == "bourn-{{id}}.out"


def test_bad_scripts_are_refused_with_the_line(shell: Shell) -> None:
    for text, options, reason in (
        (
            "#!/bin/sh\n\n# bourn: -n2 --tim-limit=3\n",
            "",
            "bad.sh: line 3: unknown option '--tim-limit=3'; did",
        ),
        ("#!/bin/sh\n# bourn: -n2\n# bourn: more\n", "", "bad.sh: line 3: unexpected argument 'more'"),
        ("#!/bin/sh\n# bourn: -n2 'x\n", "", "bad.sh: line 2: no closing quotation"),
        ("#!/bin/sh\n# bourn: -n2\ntrue\n# bourn: -c2\n", "", "bad.sh: line 4: a directive after"),
        ("# bourn: --nope\ntrue\n", "--wrap -n1 <", "line 1: unknown option '--nope'"),
        ("true\n", "-n1", "bad.sh: line 1: a script begins with `#!`"),
        ("", "-n1", "bad.sh: the script is empty"),
        ("#!/bin/sh\ntrue\n", "", "the size of the instance isn't given"),
        ("#!/bin/sh\ntrue\n", "-N2 -n1", "--nodes=2 must not be greater than --nslots=1"),
        ("#!/bin/sh\ntrue\n", "-n1 --conf a.b.c", "a.b.c: No such file"),
    ):
        shell.write("bad.sh", text)
        found = shell(f"bourn batch {options} bad.sh")
        assert found.code == 1, found
        assert reason in found.err
        assert found.err.count("\n") == 1
    assert "nosuch.sh: No such file" in shell("bourn batch -n1 nosuch.sh").err


def test_alloc_gives_its_input_and_returns_the_status(shell: Shell) -> None:
    found = shell("SHELL=/bin/sh bourn alloc -n2", stdin="bourn resource info\nexit 4\n")
    assert found.code == 4
    assert found.out == "1 Nodes, 2 Cores, 0 GPUs\n"


def test_alloc_in_the_background_that_cannot_start(shell: Shell) -> None:
    found = shell("bourn alloc --bg -n1 --broker-opts=--nope")
    assert found.code == 1
    assert "ended before its instance was up" in found.err
