from bourn_example_validator.ingest import bourn_validators, has_project
from bourn_example_validator.options import bourn_cli_options

from bourn.testing import check_cli_option, check_validator, jobspec, submit_info


def test_it_conforms():
    (validator,) = bourn_validators()
    check_validator(validator, accepts=[jobspec(system={"project": "climate"})], refuses=[jobspec()])


def test_only_the_sites_projects_are_accepted():
    info = submit_info({"plugin": {"has-project": {"projects": ["climate", "fusion"]}}})
    assert has_project(jobspec(system={"project": "fusion"}), info) is None
    reason = has_project(jobspec(system={"project": "climte"}), info)
    assert reason == "there is no project 'climte'; did you mean 'climate'?"


def test_the_option_conforms():
    (option,) = bourn_cli_options()
    check_cli_option(option, "climate")
    made = jobspec()
    option.modify(made, "climate")
    assert made["attributes"]["system"]["project"] == "climate"
