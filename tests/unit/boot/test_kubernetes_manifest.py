"""The manifest in contrib: its parts fit together, and what is in it is what a pod's broker needs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bourn.config import load_config
from bourn.config.tables import BootstrapTable
from bourn_plugins.boot_config import bourn_boot_methods

MANIFEST = Path(__file__).parents[3] / "contrib/kubernetes/bourn.yaml"
if not MANIFEST.exists():
    pytest.skip("contrib/ isn't there", allow_module_level=True)
OBJECTS: dict[str, Any] = {one["kind"]: one for one in yaml.safe_load_all(MANIFEST.read_text())}
JOB = OBJECTS["Job"]["spec"]
POD = JOB["template"]["spec"]
(BROKER,) = POD["containers"]
ENVIRON = {entry["name"]: entry["value"] for entry in BROKER["env"]}


def mounted(path: str) -> tuple[dict[str, Any], str]:
    """Return the volume that a path lies in, and the file's name in it."""
    for mount in BROKER["volumeMounts"]:
        if Path(path).parent == Path(mount["mountPath"]):
            (volume,) = [one for one in POD["volumes"] if one["name"] == mount["name"]]
            return volume, Path(path).name
    raise AssertionError(f"{path} isn't mounted")


def test_pods_have_the_names_that_brokers_look_for() -> None:
    service = OBJECTS["Service"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["name"] == POD["subdomain"] == ENVIRON["BOURN_BOOT_SERVICE"]
    assert service["spec"]["selector"].items() <= JOB["template"]["metadata"]["labels"].items()


def test_there_is_a_pod_for_each_rank_and_a_lost_one_comes_again() -> None:
    assert JOB["completionMode"] == "Indexed"
    assert JOB["completions"] == JOB["parallelism"] == int(ENVIRON["BOURN_BOOT_SIZE"])
    assert POD["restartPolicy"] == "Never"  # else pod failure policies aren't taken
    (rule,) = JOB["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["containerName"] == BROKER["name"]


def test_files_are_where_the_command_and_the_configuration_look(tmp_path: Path) -> None:
    words = BROKER["command"]
    files = OBJECTS["ConfigMap"]["data"]
    for path in (words[words.index("-c") + 1], words[-1]):
        volume, name = mounted(path)
        assert volume["configMap"]["name"] == OBJECTS["ConfigMap"]["metadata"]["name"]
        assert name in files
    toml = tmp_path / "bourn.toml"
    toml.write_text(files["bourn.toml"])
    table = load_config([str(toml)]).table("bootstrap", BootstrapTable)
    secret, name = mounted(table.authority)
    assert (secret["secret"]["defaultMode"], name) == (0o400, "authority")
    assert "--from-file=authority" in MANIFEST.read_text()
    (port,) = OBJECTS["Service"]["spec"]["ports"]
    assert table.default_port == port["port"] == BROKER["ports"][0]["containerPort"]
    assert tomllib.loads(files["bourn.toml"])["tbon"]["connect-timeout"] == "5m"


def test_a_pod_s_broker_finds_its_place(tmp_path: Path) -> None:
    toml = tmp_path / "bourn.toml"
    toml.write_text(OBJECTS["ConfigMap"]["data"]["bourn.toml"])
    name = OBJECTS["Job"]["metadata"]["name"]
    environ = {**ENVIRON, "JOB_COMPLETION_INDEX": "2", "HOSTNAME": f"{name}-2"}
    method = {one.name: one for one in bourn_boot_methods()}["kubernetes"]
    config = load_config([str(toml)])
    assert method.detect(environ, config)
    session = method.open(environ, config)
    assert (session.rank, session.size) == (2, 4)
    service = OBJECTS["Service"]["metadata"]["name"]
    assert session.attributes["hostlist"].split(",") == [f"{name}-{index}.{service}" for index in range(4)]
