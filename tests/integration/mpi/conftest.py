"""What tests with each MPI library share; a module names its compiler, `MPICC`."""

import subprocess
from pathlib import Path

import pytest

from tests.integration.shell.host_client import HostClient


@pytest.fixture(scope="module")
def ring(request, tmp_path_factory):
    """The path of a compiled program."""
    program = tmp_path_factory.mktemp("mpi") / "ring"
    subprocess.run([request.module.MPICC, "-o", program, Path(__file__).with_name("ring.c")], check=True)
    return str(program)


@pytest.fixture(scope="module")
def host():
    with HostClient() as client:
        yield client
