"""Addresses that plugins resolve."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bourn.client.transport import socket_path
from bourn.errors import BournError
from bourn.plugins.uri import resolve_uri

pytest_plugins = ["bourn.testing.plugin"]


@pytest.fixture
def process():
    """A process that runs in an instance."""
    program = "import sys; print('up', flush=True); sys.stdin.read()"
    env = {**os.environ, "BOURN_URI": "local:///run/somewhere/local"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        started.stdout.readline()
        yield started
        started.stdin.close()


def test_pid(process):
    assert resolve_uri(f"pid:{process.pid}") == "local:///run/somewhere/local"
    assert socket_path(f"pid:{process.pid}") == "/run/somewhere/local"


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("pid:x", "pid:x: not a process id"),
        ("pid:999999999", "pid:999999999: there is no process 999999999"),
        ("pdi:1", "'pdi:1': no way is known to find an instance by 'pdi'; did you mean 'pid'?"),
    ],
)
def test_refusals(uri, message):
    with pytest.raises(BournError) as caught:
        socket_path(uri)
    assert caught.value.message == message


def test_a_resolver_that_fails_is_named(installed):
    source = (
        "from bourn.hookspecs import hookimpl\nfrom bourn.hookspecs.uri import UriResolver\n"
        "@hookimpl\ndef bourn_uri_resolvers():\n    yield UriResolver('slow', lambda target: {}[target])\n"
    )
    installed(source, name="site-uri", group="bourn.cli_plugins")
    with pytest.raises(BournError) as caught:
        resolve_uri("slow:x")
    assert caught.value.message == "plugin 'site-uri' (site-uri 1.0): resolving slow:x: KeyError: 'x'"
