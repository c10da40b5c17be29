from __future__ import annotations

import copy
from typing import Any

import pytest

from bourn.config import load_config
from bourn.errors import BournError, ConfigError, JobspecError
from bourn.hookspecs.ingest import Frobnicator, SubmitInfo, Validator
from bourn.model.flags import NOVALIDATE
from bourn.model.overrides import LABELS
from bourn_plugins.job_ingest.pipeline import KEPT, select
from tests.unit.ingest.fakes import OWNER, OWNER_UID, Reports, jobspec, owned, pipeline

WHO = (OWNER_UID, OWNER, 16, 0)
ENV = "attributes.system.environment."


class Calls(list[dict[str, Any]]):
    """A validator that notes what it is shown."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__()
        self.reason = reason

    def __call__(self, tree: dict[str, Any], info: SubmitInfo) -> str | None:
        self.append(tree)
        return self.reason


def test_a_jobspec_passes_frobnicators_in_order_then_validators() -> None:
    def tag(name: str) -> Frobnicator:
        def apply(tree: dict[str, Any], info: SubmitInfo) -> dict[str, Any]:
            tree["attributes"].setdefault("user", {}).setdefault("seen", []).append(name)
            return tree

        return Frobnicator(name, apply)

    seen = Calls()
    obj = jobspec()
    before = copy.deepcopy(obj)
    checked = pipeline(tag("a"), tag("b"), Validator("v", seen)).check(obj, *WHO)
    assert checked.obj["attributes"]["user"]["seen"] == ["a", "b"]
    assert seen == [checked.obj]
    assert obj == before


def test_what_the_broker_relies_on_is_filled_in() -> None:
    obj = jobspec()
    obj["attributes"] = None
    assert pipeline().check(obj, *WHO).obj["attributes"] == {"system": {"duration": 0.0}}


def test_a_refusal_is_the_validator_s_own_words_and_the_first_ends_the_check() -> None:
    late = Calls()
    line = pipeline(Validator("a", Calls("no gold")), Validator("b", late))
    with pytest.raises(BournError, match=r"^no gold$"):
        line.check(jobspec(), *WHO)
    assert late == []
    assert line.check(jobspec(), OWNER_UID, OWNER, 16, NOVALIDATE)


def test_structure_is_checked_whatever_is_configured_and_again_after_frobnicators() -> None:
    with pytest.raises(JobspecError, match="unknown key 'x'"):
        pipeline().check({**jobspec(), "x": 1}, *WHO)

    def spoil(tree: dict[str, Any], info: SubmitInfo) -> dict[str, Any]:
        tree["attributes"]["system"]["duration"] = "long"
        return tree

    with pytest.raises(JobspecError, match=r"attributes.system.duration"):
        pipeline(Frobnicator("f", spoil)).check(jobspec(), *WHO)
    with pytest.raises(JobspecError, match="can't be written as JSON"):
        pipeline().check({"a": object()}, *WHO)


def boom(tree: dict[str, Any], info: SubmitInfo) -> Any:
    raise ZeroDivisionError("oops")


@pytest.mark.parametrize(
    ("step", "what"),
    [
        (Frobnicator("f", boom), "frobnicator 'f': ZeroDivisionError: oops"),
        (Validator("v", boom), "validator 'v': ZeroDivisionError: oops"),
        (
            Frobnicator("f", lambda tree, info: None),
            "frobnicator 'f': TypeError: returned None, not a jobspec",
        ),  # type: ignore[arg-type,return-value]
        (Validator("v", lambda tree, info: 5), "validator 'v': TypeError: returned 5, not a reason"),  # type: ignore[arg-type,return-value]
    ],
)
def test_a_plugin_that_fails_is_named_with_its_version(step: Frobnicator | Validator, what: str) -> None:
    reports = Reports()
    with pytest.raises(BournError) as caught:
        pipeline(step, reports=reports).check(jobspec(), *WHO)
    assert caught.value.message == f"plugin 'site' (site-dist 1.2): {what}"
    assert reports == [caught.value.message]


def refuse(tree: dict[str, Any], info: SubmitInfo) -> Any:
    raise JobspecError("attributes.user.tag", "name one")


def test_a_frobnicator_may_refuse_on_purpose_a_validator_returns_its_reason() -> None:
    with pytest.raises(JobspecError, match=r"^attributes.user.tag: name one$"):
        pipeline(Frobnicator("f", refuse)).check(jobspec(), *WHO)
    with pytest.raises(BournError, match=r"site-dist 1.2.*validator 'v': JobspecError: .*name one"):
        pipeline(Validator("v", refuse)).check(jobspec(), *WHO)


def test_verdicts_are_kept_when_every_step_is_pure() -> None:
    pure, moody = Calls(), Calls()
    line = pipeline(Validator("v", pure, pure=True))
    first = line.check(jobspec(), *WHO)
    assert line.check(jobspec(), *WHO) is first
    assert len(pure) == 1
    line.check(jobspec(), OWNER_UID + 1, OWNER, 16, 0)
    assert len(pure) == 2
    line = pipeline(Validator("v", pure, pure=True), Validator("w", moody))
    assert line.check(jobspec(), *WHO) is line.check(jobspec(), *WHO)
    assert len(moody) == 2


def test_refusals_are_not_kept_and_the_rest_is_bounded() -> None:
    calls = Calls("not now")
    line = pipeline(Validator("v", calls, pure=True))
    for _ in range(2):
        with pytest.raises(BournError):
            line.check(jobspec(), *WHO)
    assert len(calls) == 2
    line = pipeline()
    for i in range(KEPT + 10):
        line.check(jobspec(queue=f"q{i}"), *WHO)
    assert line.kept == KEPT


def overridden(line: Any, obj: dict[str, Any], overrides: dict[str, Any]) -> Any:
    return line.check_overrides(obj, line.check(obj, *WHO), overrides, WHO)


def test_settings_that_nobody_looks_at_stay_beside_the_shared_jobspec() -> None:
    seen = Calls()
    line = pipeline(
        Validator("v", seen, ignores=LABELS), Frobnicator("f", lambda tree, info: tree, ignores=LABELS)
    )
    overrides = {ENV + "X": "1"}
    spec, over = overridden(line, jobspec(), overrides)
    assert (spec.obj, over) == (jobspec(), overrides)
    assert len(seen) == 1


def test_a_validator_that_looks_everywhere_sees_each_setting() -> None:
    seen, blind = Calls(), Calls()
    line = pipeline(
        Validator("v", seen),
        Validator("b", blind, ignores=LABELS),
        Frobnicator("f", lambda t, i: t, ignores=LABELS),
    )
    overrides = {ENV + "X": "1"}
    spec, over = overridden(line, jobspec(), overrides)
    assert (spec.obj, over) == (jobspec(), overrides)
    assert seen[-1]["attributes"]["system"]["environment"] == {"X": "1"}
    assert (len(seen), len(blind)) == (2, 1)
    seen.reason = "X must not be 1"
    with pytest.raises(BournError, match="X must not be 1"):
        line.check_overrides(jobspec(), spec, overrides, WHO)


def test_settings_that_a_frobnicator_looks_at_make_a_jobspec_of_their_own() -> None:
    def queue(tree: dict[str, Any], info: SubmitInfo) -> dict[str, Any]:
        system = tree["attributes"]["system"]
        system["constraints"] = {"properties": [system.get("queue", "none")]}
        return tree

    line = pipeline(Frobnicator("f", queue, ignores=LABELS))
    spec, over = overridden(line, jobspec(), {"attributes.system.queue": "gpu", ENV + "X": "1"})
    assert over is None
    assert spec.system["constraints"] == {"properties": ["gpu"]}
    assert spec.system["environment"] == {"X": "1"}
    with pytest.raises(JobspecError, match=r"'duration' is a value"):
        overridden(line, jobspec(), {"attributes.system.duration.x": 1})


def test_without_steps_labels_are_beside_and_the_rest_is_not() -> None:
    line = pipeline()
    assert overridden(line, jobspec(), {"attributes.system.job.name": "n"})[1] is not None
    assert overridden(line, jobspec(), {"attributes.system.duration": 5})[1] is None


def test_steps_are_chosen_by_name_or_by_default(tmp_path: Any) -> None:
    steps = {n: owned(Validator(n, Calls(), default=n != "c")) for n in ("a", "b", "c")}

    def names(*lines: str) -> list[str]:
        file = tmp_path / "ingest.toml"
        file.write_text("\n".join(lines))
        return [step.value.name for step in select("validators", load_config([file]), steps)]

    assert names() == ["a", "b"]
    assert names("[ingest]", 'validators = ["c", "a"]') == ["c", "a"]
    assert names("[ingest]", "validators = []") == []
    with pytest.raises(
        ConfigError, match=r"ingest.toml:2: ingest.validators\[1\]: there is no 'x'; there are: a, b, c"
    ):
        names("[ingest]", 'validators = ["a", "x"]')
    with pytest.raises(ConfigError, match="'a' is named twice"):
        names("[ingest]", 'validators = ["a", "a"]')


def test_a_setting_that_spoils_the_jobspec_is_refused_though_nobody_looks() -> None:
    line = pipeline(Validator("v", Calls(), ignores=("attributes.system.shell.", *LABELS)))
    assert overridden(line, jobspec(), {"attributes.system.shell.options.x": 5})[1] is None
    line = pipeline(
        Validator("v", Calls(), ignores=("attributes.system.shell.", *LABELS)),
        Frobnicator("f", lambda tree, info: tree, ignores=("attributes.system.shell.", *LABELS)),
    )
    overrides = {"attributes.system.shell.options.x": 5}
    assert overridden(line, jobspec(), overrides)[1] == overrides
    with pytest.raises(JobspecError, match=r"attributes.system.shell.options: must be a dictionary"):
        overridden(line, jobspec(), {"attributes.system.shell.options": 5})
    with pytest.raises(JobspecError, match="'x' is a value"):
        overridden(line, jobspec(), {"attributes.user.x": 1, "attributes.user.x.y": 1})


def test_a_frobnicator_changes_the_environment_of_its_jobspec_only() -> None:
    def tag(tree: dict[str, Any], info: SubmitInfo) -> dict[str, Any]:
        if tree["attributes"]["system"].get("cwd") == "/tagged":
            tree["attributes"]["system"]["environment"]["TAG"] = "yes"
        return tree

    steps = pipeline(Frobnicator("tag", tag))
    plain = steps.check(jobspec(environment={"A": "1"}, cwd="/plain"), *WHO)
    tagged = steps.check(jobspec(environment={"A": "1"}, cwd="/tagged"), *WHO)
    other = steps.check(jobspec(environment={"A": "1"}, cwd="/other"), *WHO)
    assert plain.system["environment"] == {"A": "1"}
    assert tagged.system["environment"] == {"A": "1", "TAG": "yes"}
    assert plain.environment is other.environment
    assert tagged.environment is not plain.environment
    assert tagged.environment is not None
    assert tagged.environment.obj == {"A": "1", "TAG": "yes"}
