"""The examples of a deployment are what their readers take them for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

from engine.settings import VARIABLES, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
KUBERNETES = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
USER = 10001
OURS = {"ENGINE_BROKERS", "ENGINE_MODEL"}


def documents(kind: str) -> list[dict[str, Any]]:
    found = [one for path in KUBERNETES for one in yaml.safe_load_all(path.read_text())]
    return [one for one in found if one["kind"] == kind]


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_manifests_fit_the_schemas_of_kubernetes(path: Path, version: str) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, version, strict=True)


def test_the_compose_file_fits_the_specification() -> None:
    compose = compose_spec.PyCompose.from_yaml(COMPOSE.read_text())
    assert compose.name == "stocks"
    with pytest.raises(ValueError, match="unknown"):
        compose_spec.PyCompose.from_yaml(COMPOSE.read_text().replace("read_only:", "unknown:"))


def test_a_pod_runs_as_the_images_user_on_a_file_system_that_it_cannot_write() -> None:
    (pod,) = [one["spec"]["template"]["spec"] for one in documents("StatefulSet")]
    (container,) = pod["containers"]
    made = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert made == [(str(USER), str(USER))]
    assert {pod["securityContext"][one] for one in ("runAsUser", "runAsGroup", "fsGroup")} == {USER}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {"/tmp", "/var/lib/engine"} <= {one["mountPath"] for one in container["volumeMounts"]}


def test_a_pod_is_given_longer_than_a_drain_takes() -> None:
    (pod,) = [one["spec"]["template"]["spec"] for one in documents("StatefulSet")]
    hook = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > hook + Settings().drain_timeout_s
    engine = yaml.safe_load(COMPOSE.read_text())["services"]["engine"]
    assert int(engine["stop_grace_period"].removesuffix("s")) > Settings().drain_timeout_s


def test_every_selector_finds_the_pods() -> None:
    (pods,) = [one["spec"]["template"]["metadata"]["labels"] for one in documents("StatefulSet")]
    assert documents("Service")[0]["spec"]["selector"] == pods
    for kind, field in (
        ("StatefulSet", "selector"),
        ("PodDisruptionBudget", "selector"),
        ("NetworkPolicy", "podSelector"),
    ):
        assert documents(kind)[0]["spec"][field]["matchLabels"] == pods


def test_every_variable_is_one_that_the_engine_knows() -> None:
    (pod,) = [one["spec"]["template"]["spec"] for one in documents("StatefulSet")]
    named = {one["name"] for one in pod["containers"][0]["env"]}
    named |= set(yaml.safe_load(COMPOSE.read_text())["services"]["engine"]["environment"])
    assert named <= set(VARIABLES) | OURS
