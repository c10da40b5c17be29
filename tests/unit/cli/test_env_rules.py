import pytest

from bourn.cli.env_rules import apply_rules
from bourn.errors import BournError

CALLER = {"PATH": "/bin", "HOME": "/home/ann", "OMP_NUM_THREADS": "4", "OMP_PROC": "x"}


def test_no_rules_copy_everything():
    assert apply_rules([], CALLER) == (CALLER, {})


def test_removal_by_glob_and_regular_expression():
    assert apply_rules(["-OMP_*"], CALLER)[0].keys() == {"PATH", "HOME"}
    assert apply_rules(["-/^OMP.*S$/"], CALLER)[0].keys() == {"PATH", "HOME", "OMP_PROC"}


def test_removal_then_selection():
    assert apply_rules(["-*", "PATH", "OMP_*"], CALLER)[0].keys() == {"PATH", "OMP_NUM_THREADS", "OMP_PROC"}


def test_selection_keeps_what_is_set_already():
    assert apply_rules(["PATH=/opt", "PATH"], CALLER)[0]["PATH"] == "/opt"


def test_substitution_sees_earlier_rules_first():
    environment, _ = apply_rules(["-*", "PATH=/a:$PATH", "PATH=/b:${PATH}", "PRICE=$$5"], CALLER)
    assert environment == {"PATH": "/b:/a:/bin", "PRICE": "$5"}


def test_templates_go_to_the_shell():
    environment, templates = apply_rules(["-*", "ID={{id}}"], CALLER)
    assert environment == {}
    assert templates == {"ID": "{{id}}"}


def test_rules_from_a_file(tmp_path):
    file = tmp_path / "rules"
    file.write_text("# comment\n\n-*\nA=1\n")
    assert apply_rules([f"^{file}"], CALLER)[0] == {"A": "1"}
    with pytest.raises(BournError, match="environment file /nowhere"):
        apply_rules(["^/nowhere"], CALLER)


@pytest.mark.parametrize(
    ("rule", "message"),
    [("A=$NOPE", "no variable NOPE"), ("A=$", "write \\$\\$"), ("-/(/", "bad regular expression")],
)
def test_bad_rules_are_named(rule, message):
    with pytest.raises(BournError, match=message):
        apply_rules([rule], CALLER)
