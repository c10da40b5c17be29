"""`bourn completion`: what a shell needs to complete commands, options and job ids.

The scripts know the commands; options are read from a command's own `--help` when they are asked for.
"""

from __future__ import annotations

from bourn.cli.parser import Parser

BASH = """\
_bourn() {
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='@VERBS@'
    elif [ "${word#-}" != "$word" ]; then
        local at=("$verb")
        case " @FAMILIES@ " in *" $verb "*) [ "$COMP_CWORD" -gt 2 ] && at+=("${COMP_WORDS[2]}") ;; esac
        words=$(bourn "${at[@]}" --help 2>/dev/null |
            grep -oE '(^|[ ,])-{1,2}[A-Za-z][A-Za-z-]*' | tr -d ' ,')
    elif [ "$COMP_CWORD" -eq 2 ] && [[ " @FAMILIES@ " == *" $verb "* ]]; then
        words=$(bourn "$verb" --help 2>/dev/null | sed -n 's/^    \\([a-zA-Z][a-zA-Z-]*\\).*/\\1/p')
    else
        case $verb in
            help) words='@VERBS@' ;;
            @JOBS@|job) words=$(bourn jobs -n -o '{id.f58plain}' 2>/dev/null) ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _bourn bourn
"""

ZSH = "autoload -U +X bashcompinit && bashcompinit\n" + BASH

FISH = """\
complete -c bourn -n __fish_use_subcommand -f
@FISH_VERBS@
for verb in @FAMILIES@
    complete -c bourn -f -n "__fish_seen_subcommand_from $verb; and test (count (commandline -opc)) -eq 2" \\
        -a "(bourn $verb --help 2>/dev/null | string match -rg '^    ([a-zA-Z][a-zA-Z-]*) ')"
end
for verb in @FISH_JOBS@
    complete -c bourn -f -n "__fish_seen_subcommand_from $verb" \\
        -a "(bourn jobs -n -o '{id.f58plain}' 2>/dev/null)"
end
complete -c bourn -n 'string match -q -- "-*" (commandline -ct)' \\
    -a "(bourn (commandline -opc)[2] --help 2>/dev/null | string match -rga '(?:^|[ ,])(--[a-z-]+)')"
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
FAMILIES = ("job", "queue", "resource", "module", "kvs", "event", "overlay", "config", "R", "archive", "tree")
"""Commands that have commands of their own."""
JOBS = ("cancel", "watch", "update", "uri", "proxy", "top", "pstree", "jobs")
"""Commands that take job ids."""


def main(argv: list[str]) -> int:
    """Print the script of a shell."""
    parser = Parser(
        prog="bourn completion",
        description="Print what a shell needs to complete commands, options and job ids.",
        epilog="Examples:\n  source <(bourn completion bash)\n  bourn completion fish | source",
    )
    parser.add_argument("shell", choices=list(SCRIPTS), metavar="bash|zsh|fish")
    args = parser.parse_args(argv)
    print(script(args.shell), end="")
    return 0


def script(shell: str) -> str:
    """Return the script of a shell."""
    from bourn.cli.main import VERBS

    fish = "\n".join(
        f"complete -c bourn -n __fish_use_subcommand -a {verb} -d '{summary.replace(chr(39), '')}'"
        for verb, (_, summary) in VERBS.items()
    )
    text = SCRIPTS[shell]
    for mark, value in (
        ("VERBS", " ".join(VERBS)),
        ("FISH_VERBS", fish),
        ("FAMILIES", " ".join(FAMILIES)),
        ("JOBS", "|".join(JOBS)),
        ("FISH_JOBS", " ".join(JOBS)),
    ):
        text = text.replace(f"@{mark}@", value)
    return text
