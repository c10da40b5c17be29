from __future__ import annotations

import pytest

from bourn.errors import BournError
from bourn.model.directives import parse_directives

SHELL = """#!/bin/sh
#FLUX: -N4                  # Request four nodes
#FLUX: --queue=batch        # Submit to the batch queue
# Set the job name:
#FLUX: --job-name="app 001"
bourn run -N4 app
"""
DOCSTRING = '''#!/usr/bin/env python3
def main():
    """
    flux: -N4
    flux: --job-name="my python job"

    # Set some arbitrary user data:
    flux: --setattr=user.data=\'\'\'
    flux: x, y, z
    flux:   a, b, c
    flux: \'\'\'
    """
    run()
'''
LUA = """#!/usr/bin/lua
--
-- bourn: -N1 --exclusive
-- bourn: --output=job.out
local app = require 'app'
"""


@pytest.mark.parametrize(
    ("script", "args"),
    [
        (SHELL, ["-N4", "--queue=batch", "--job-name=app 001"]),
        (DOCSTRING, ["-N4", "--job-name=my python job", "--setattr=user.data=x, y, z\n  a, b, c\n"]),
        (LUA, ["-N1", "--exclusive", "--output=job.out"]),
        ("#!/bin/sh\ntrue\n", []),
        ("", []),
        ("# flux: --n='''It's a \"job\"'''\n", ['--n=It\'s a "job"']),
        ('# flux: --setattr=user.foo="""{"key": 42}"""\n', ['--setattr=user.foo={"key": 42}']),
        ("# bourn: a\n#\n\n# bourn: b\n", ["a", "b"]),
        (
            '# flux: --setattr=user.conf="""\n# flux: [config]\n# flux:   item = "foo"\n# flux: """ -n1\n',
            ['--setattr=user.conf=[config]\n  item = "foo"\n', "-n1"],
        ),
    ],
)
def test_directives_of_rfc_36(script: str, args: list[str]) -> None:
    assert parse_directives(script).args == args
    assert parse_directives(script).script == script


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\n# bourn -n4\n", "line 2: not a directive; did you mean '# bourn: -n4'?"),
        ("#!/bin/sh\n\n# Bourn: --time-limit=1h  \n", "line 3: .* '# bourn: --time-limit=1h'?"),
        ("#!/bin/sh\n# bourn: -n1\n#  born: -c4\n", "line 3: .* '#  bourn: -c4'?"),
        ("#!/usr/bin/lua\n-- flx: -n4\n", "line 2: .* '-- flux: -n4'?"),
        ("#!/bin/sh\n#bourne; -n4\n", "line 2: .* '#bourn: -n4'?"),
    ],
)
def test_directives_that_are_misspelt(script: str, reason: str) -> None:
    with pytest.raises(BournError, match=reason.replace("?", r"\?")):
        parse_directives(script, "x.sh")


def test_comments_that_are_no_directives() -> None:
    script = "#!/bin/sh\n#SBATCH -N4\n# bourn is -1 and more\n# Flux: the light\necho\n# bourn -n4 would do\n"
    assert parse_directives(script).args == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("# flux: -N4\necho hi\n# flux: -q x\n", "job.sh: line 3: a directive after the first line"),
        ("# flux: -N4\n## flux: -n1\n", "line 2: sentinel '## flux:' differs from '# flux:'"),
        ("# flux: -N4\n# bourn: -n1\n", "line 2: sentinel '# bourn:' differs"),
        ("# flux: --a='b\n", "line 1: no closing quotation"),
        ("# flux: --a='''\n# flux: b\n", "line 1: a triple quoted string doesn't end"),
        ("# flux: --a='''b\n# flux: '''\n", "line 1: the opening triple quote must end its line"),
        ("# flux: \0\n", "null bytes"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(script: str, reason: str) -> None:
    with pytest.raises(BournError) as caught:
        parse_directives(script, "job.sh")
    assert reason in caught.value.message
