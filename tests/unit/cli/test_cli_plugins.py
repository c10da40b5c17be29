"""Commands and options of distributions that look installed."""

import json

import pytest

from bourn.cli.main import main
from bourn.testing.distributions import fake_distribution, forget_modules

SOURCE = """
from bourn.hookspecs import hookimpl
from bourn.hookspecs.cli import CliCommand, CliOption


def hello(arguments):
    print("hello", *arguments)
    return 4


def modify(jobspec, value):
    jobspec["attributes"]["system"]["licence"] = value


def validate(jobspec, value):
    if value == "boom":
        raise RuntimeError("out of order")
    return None if value in ("ansys", "late") else f"no licence '{value}'; there is: ansys"


def preinit(arguments, value):
    if value == "late":
        arguments.job_name = "later"


@hookimpl
def bourn_cli_commands():
    yield CliCommand("hello", "say hello", hello)


@hookimpl
def bourn_cli_options():
    yield CliOption("--ex-licence", "use a licence", modify, validate, preinit, commands=("submit",))
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    def install(source, name="site-cli"):
        folder = tmp_path / name
        fake_distribution(
            folder,
            name,
            plugins={"bourn.cli_plugins": {name: name.replace("-", "_")}},
            modules={name.replace("-", "_"): source},
        )
        monkeypatch.syspath_prepend(str(folder))

    yield install
    forget_modules(tmp_path)


def submit(capsys, *options):
    status = main(["submit", "--dry-run", *options, "true"])
    found = capsys.readouterr()
    return status, found.out and json.loads(found.out)["attributes"]["system"], found.err


def test_a_command(installed, capsys):
    installed(SOURCE)
    assert main(["hello", "you"]) == 4
    assert main(["help"]) == 0
    assert capsys.readouterr().out.startswith("hello you\n")
    assert main(["helo"]) == 1
    assert "did you mean 'hello'?" in capsys.readouterr().err


def test_an_option_changes_the_jobspec_and_the_arguments(installed, capsys):
    installed(SOURCE)
    assert submit(capsys, "--ex-licence=ansys")[1]["licence"] == "ansys"
    assert submit(capsys, "--ex-licence=late")[1]["job"] == {"name": "later"}
    assert "licence" not in submit(capsys)[1]


def test_an_option_refuses(installed, capsys):
    installed(SOURCE)
    message = "bourn-submit: error: --ex-licence: no licence 'x'; there is: ansys\n"
    assert submit(capsys, "--ex-licence=x") == (1, "", message)


def test_an_option_is_only_there_where_it_belongs(installed, capsys):
    installed(SOURCE)
    with pytest.raises(SystemExit):
        main(["run", "--ex-licence=ansys", "true"])
    assert "unknown option '--ex-licence=ansys'" in capsys.readouterr().err


def test_a_plugin_that_raises_is_named_with_its_version(installed, capsys):
    installed(SOURCE)
    _, _, error = submit(capsys, "--ex-licence=boom")
    assert "plugin 'site-cli' (site-cli 1.0) failed: RuntimeError: out of order" in error


def test_a_broken_plugin_is_told_and_the_command_goes_on(installed, capsys):
    installed("import no_such_module_anywhere")
    status, system, error = submit(capsys)
    assert (status, bool(system)) == (0, True)
    assert "plugin 'site-cli' (site-cli 1.0)" in error
    assert "no_such_module_anywhere" in error
