"""The RFCs' own examples, where the reference folder stands beside the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bourn.model import Jobspec, ResourceSet
from bourn.model.dependency import parse_dependency
from bourn.model.jobspec_check import check_jobspec
from bourn.model.shape import format_shape, parse_shape
from tests.unit.model.jobspecs import jobspec


def _examples() -> Path | None:
    for folder in Path(__file__).resolve().parents:
        found = folder / "shared" / "reference" / "examples"
        if found.is_dir():
            return found
    return None


EXAMPLES = _examples()
needs_examples = pytest.mark.skipif(
    EXAMPLES is None, reason="no shared/reference/examples beside the project"
)


def files(pattern: str) -> list[Path]:
    return sorted(EXAMPLES.glob(pattern)) if EXAMPLES else []


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@needs_examples
def test_the_examples_are_there() -> None:
    assert len(files("spec_14/*.yaml")) >= 17
    assert files("spec_20/*.json")
    assert files("spec_25/*.yaml")
    assert files("spec_26/*.yaml")


@needs_examples
@pytest.mark.parametrize("path", [*files("spec_14/*.yaml"), *files("spec_25/*.yaml")], ids=label)
def test_jobspecs_are_accepted_and_read_back(path: Path) -> None:
    spec = Jobspec.from_yaml_file(path)
    spec.validate(v1=path.parent.name == "spec_25")
    assert Jobspec.from_json(spec.dumps()).to_dict() == yaml.safe_load(path.read_text())
    assert spec.counts().nslots >= 1
    # A count of {min: 4} and one of "4+" are the same; the shape has only the second form.
    assert format_shape(parse_shape(format_shape(spec.resources))) == format_shape(spec.resources)


@needs_examples
@pytest.mark.parametrize("path", files("spec_20/*.json"), ids=label)
def test_resource_sets_are_accepted_and_read_back(path: Path) -> None:
    obj = json.loads(path.read_text())
    rset = ResourceSet.from_dict(obj)
    assert rset.to_dict() == obj
    assert (rset.nnodes, rset.ncores, rset.ngpus) == (4, 192, 32)


@needs_examples
@pytest.mark.parametrize("path", files("spec_26/*.yaml"), ids=label)
def test_dependencies_are_accepted_and_read_back(path: Path) -> None:
    dependencies: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    check_jobspec(jobspec(system={"dependencies": dependencies}))
    for dependency in dependencies:
        uri = "{scheme}:{value}?type={type}&scope={scope}".format(**dependency)
        assert parse_dependency(uri) == dependency
