"""The manifests are what Kubernetes takes, and fit each other and the settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from console.settings import Settings

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
RELEASES = ("1.29", "1.37")


def kustomization() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return found


def manifests() -> list[dict[str, Any]]:
    return [
        one
        for name in kustomization()["resources"]
        for one in yaml.safe_load_all((FOLDER / name).read_text())
    ]


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = (one for one in manifests() if one["kind"] == kind)
    return found


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"] for one in manifests() if "template" in one.get("spec", {})]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']}")
def test_every_manifest_has_only_fields_that_kubernetes_knows(
    manifest: dict[str, Any], release: str
):
    kubernetes_validate.validate(manifest, release, strict=True)


def test_a_misspelt_field_would_be_found():
    wrong = of_kind("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, RELEASES[0], strict=True)


def test_every_file_beside_the_kustomization_is_used():
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(kustomization()["resources"])


def test_selectors_find_the_replicas_and_nothing_else():
    wanted = of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert of_kind("Deployment")["spec"]["selector"]["matchLabels"] == wanted
    assert of_kind("Service")["spec"]["selector"] == wanted
    assert of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == wanted
    assert of_kind("Job")["spec"]["template"]["metadata"]["labels"] != wanted


def test_settings_are_settings():
    known = {f"STAGEGATE_{name.upper()}" for name in Settings.model_fields}
    assert set(of_kind("ConfigMap")["data"]) <= known
    assert of_kind("ConfigMap")["data"]["STAGEGATE_AUTH"] == "on"


def test_a_replica_needs_no_right_that_it_can_do_without():
    for pod in pods():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_a_rolling_update_takes_no_replica_away_before_another_is_ready():
    spec = of_kind("Deployment")["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    (container,) = spec["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 30
