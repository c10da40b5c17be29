"""A jobspec from the shell's point of view: options, environment, plugins concerned."""

import pytest

from bourn.errors import BournError
from bourn.hookspecs.shell import CALLBACKS, ShellPlugin
from bourn.shell.spec import ShellSpec, choose_plugins


def spec(options=None, **system):
    return ShellSpec(
        {
            "tasks": [{"command": ["/bin/echo", "x"]}],
            "attributes": {"system": {"shell": {"options": options or {}}, **system}},
        }
    )


def test_names_and_defaults(monkeypatch):
    monkeypatch.setenv("BOURN_URI", "local:///outer")
    monkeypatch.setenv("COLOUR", "blue")
    made = spec()
    assert (made.name, made.command) == ("echo", ["/bin/echo", "x"])
    assert made.env["COLOUR"] == "blue"
    assert "BOURN_URI" not in made.env
    assert spec(job={"name": "n"}).name == "n"
    assert spec(environment={"A": "1", "B": None}).env == {"A": "1"}
    assert ShellSpec({"tasks": [{"command": "echo"}]}).command == ["echo"]


def test_options_by_dotted_name():
    made = spec({"a": {"b": 5}, "flag": 1})
    assert made.option("a.b") == 5
    assert made.option("a.c", "no") == "no"
    assert made.option("a.b.c") is None
    assert made.switch("flag")
    assert made.switch("none", True)
    with pytest.raises(BournError, match=r"-o a.b=5: right is on or off"):
        made.switch("a.b")


def test_an_option_below_a_known_one_is_its_owner_s_business():
    spec({"a": {"b": {"c": 1}}}).check_options({"a.b"})
    with pytest.raises(BournError, match=r"-o a.b.c: there is no such shell option; did you mean 'a.b.d'"):
        spec({"a": {"b": {"c": 1}}}).check_options({"a.b.d"})


def test_what_an_outer_launcher_left_is_not_for_tasks():
    outer = {"PMIX_RANK": "0", "PMIX_SERVER_URI41": "x", "PMI_FD": "3", "PMIX": "mine"}
    assert spec(environment=outer).env == {"PMIX": "mine"}
    # Without a rank it is a setting of the user's.
    assert spec(environment={"PMIX_MCA_gds": "hash"}).env == {"PMIX_MCA_gds": "hash"}


def test_words_of_an_option_that_several_plugins_share():
    known = {"pmi=simple", "pmi=off", "pmi=pmix", "other"}
    for right in ("simple", "pmix,simple", False):
        spec({"pmi": right}).check_options(known)
    assert spec({"pmi": "pmix,simple"}).words("pmi") == ["pmix", "simple"]
    assert spec({"pmi": True}).words("pmi") == ["on"]
    assert spec().words("pmi") == []
    with pytest.raises(BournError, match=r"^-o pmi=pmx: right is off, pmix or simple; did you mean 'pmix'"):
        spec({"pmi": "simple,pmx"}).check_options(known)
    with pytest.raises(BournError, match=r"^-o pmo: there is no such shell option; did you mean 'pmi'"):
        spec({"pmo": 1}).check_options(known)


def test_a_plugin_that_takes_a_word_is_concerned_by_it_only():
    class Pmix(ShellPlugin):
        name = "pmix"
        options = ("pmi=pmix",)

    assert Pmix().wants(spec({"pmi": "simple,pmix"}))
    assert not Pmix().wants(spec({"pmi": "simple"}))
    assert not Pmix().wants(spec())


class Loud(ShellPlugin):
    name = "loud"
    options = ("loud",)
    calls: list = []

    def validate(self, spec):
        if spec.option("loud") == "bang":
            raise ZeroDivisionError("oh")
        if spec.option("loud") == "no":
            raise BournError("-o loud: not that")

    def task_init(self, job, task):
        pass


def test_only_the_plugins_concerned_and_only_what_they_override_is_called():
    quiet, loud = spec(), spec({"loud": 1})
    for made in (quiet, loud):
        choose_plugins(made, [Loud()])
    assert set(quiet.hooks) == set(CALLBACKS)
    assert not any(quiet.hooks.values())
    assert [name for name, calls in loud.hooks.items() if calls] == ["task_init"]


def test_a_plugin_that_refuses_and_one_that_raises():
    with pytest.raises(BournError, match=r"^-o loud: not that$"):
        choose_plugins(spec({"loud": "no"}), [Loud()])
    with pytest.raises(BournError, match=r"^shell plugin 'loud': ZeroDivisionError: oh$"):
        choose_plugins(spec({"loud": "bang"}), [Loud()])
