"""The Kubernetes manifests: valid, complete, and of one mind with the settings and the image."""

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.cli import assembled
from shared.manifest import discover
from tests.deploy.settings import unknown
from tests.servers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.30", kubernetes_validate.latest_version())
"""The oldest that knows `sleep` in a preStop hook, and the newest."""


def documents(folder=FOLDER) -> Iterator[Any]:
    for path in sorted(folder.glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


ALL = [one for one in documents() if one["kind"] != "Kustomization"]
PODS = [one["spec"]["template"] for one in ALL if "template" in one.get("spec", {})]
CONTAINERS = [container for pod in PODS for container in pod["spec"]["containers"]]
(CONFIG,) = [one["data"] for one in ALL if one["kind"] == "ConfigMap"]


def named(kind: str, name: str) -> Any:
    (found,) = [one for one in ALL if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


BUDGET = "PodDisruptionBudget"


class TestEachManifest:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("document", ALL, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
    def test_is_valid_by_the_schemas_of_kubernetes(self, document, version):
        kubernetes_validate.validate(document, version, strict=True)

    @pytest.mark.parametrize("change", [{"replica": 3}, {"replicas": "3"}, {"selector": "trellis"}])
    def test_with_a_fault_is_found(self, change):
        document = deepcopy(named("Deployment", "trellis-worker"))
        document["spec"] |= change
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(document, VERSIONS[0], strict=True)

    def test_is_applied(self):
        (all_of_them,) = [one for one in documents() if one["kind"] == "Kustomization"]
        files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
        assert {*all_of_them["resources"]} == files

    def test_is_there_of_each_kind_that_a_deployment_needs(self):
        kinds = {"Job", "Service", "Deployment", "HorizontalPodAutoscaler", BUDGET, "NetworkPolicy"}
        assert kinds <= {one["kind"] for one in ALL}


class TestWhatOneNamesInAnother:
    def test_are_labels_that_pods_have(self):
        labels = [pod["metadata"]["labels"] for pod in PODS]
        selectors = [
            *(named("Service", "trellis")["spec"]["selector"],),
            *(
                one["spec"]["selector"]["matchLabels"]
                for one in ALL
                if one["kind"] in {"Deployment", "PodDisruptionBudget"}
            ),
            *(one["spec"]["podSelector"]["matchLabels"] for one in ALL if one["kind"] == "NetworkPolicy"),
        ]
        for selector in selectors:
            assert any(selector.items() <= of_pod.items() for of_pod in labels), selector

    def test_is_the_deployment_that_is_scaled(self):
        target = named("HorizontalPodAutoscaler", "trellis-api")["spec"]["scaleTargetRef"]
        assert "replicas" not in named(target["kind"], target["name"])["spec"], "Each apply would set it back."

    def test_are_ports_that_containers_have(self):
        ports = {port["name"] for container in CONTAINERS for port in container.get("ports", ())}
        rules = named("NetworkPolicy", "trellis")["spec"]["ingress"]
        assert {port["port"] for rule in rules for port in rule["ports"]} <= ports
        assert named("Service", "trellis")["spec"]["ports"][0]["targetPort"] in ports

    def test_are_settings_that_there_are(self):
        assert unknown(CONFIG) == set()

    def test_are_commands_that_there_are(self):
        commands = assembled(discover()).commands
        assert {container["command"][0] for container in CONTAINERS} == {"trellis"}
        assert {container["command"][1] for container in CONTAINERS} == {"serve", "worker", "migrate"}
        assert {container["command"][1] for container in CONTAINERS} <= commands.keys()


class TestEachContainer:
    def test_may_do_nothing_that_it_need_not(self):
        for pod in PODS:
            assert pod["spec"]["automountServiceAccountToken"] is False
            assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in CONTAINERS:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }

    def test_runs_as_the_images_user(self):
        (user,) = re.findall(r"^USER (\d+):", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert {pod["spec"]["securityContext"]["runAsUser"] for pod in PODS} == {int(user)}

    def test_is_of_an_image_whose_base_is_the_same_tomorrow(self):
        """Named by its digest, and one base for both stages."""
        bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        (base,) = {*bases}
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)

    def test_has_a_folder_to_write_to(self):
        for pod, container in zip(PODS, CONTAINERS, strict=True):
            mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"]: "/tmp" for volume in pod["spec"]["volumes"]}


class TestTheEnd:
    def test_is_given_the_time_that_the_settings_take(self):
        drain, shutdown = (float(CONFIG[f"TRELLIS_{name}_SECONDS"]) for name in ("DRAIN", "SHUTDOWN"))
        for pod, container in zip(PODS, CONTAINERS, strict=True):
            sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if container["command"][1] != "migrate":
                assert pod["spec"]["terminationGracePeriodSeconds"] > sleep + drain + shutdown + 10

    def test_is_noticed_while_a_server_still_takes_connections(self):
        (server,) = [one for one in CONTAINERS if one["command"][1] == "serve"]
        probe = server["readinessProbe"]
        noticed = probe["periodSeconds"] * probe["failureThreshold"]
        assert noticed < server["lifecycle"]["preStop"]["sleep"]["seconds"] + float(CONFIG["TRELLIS_DRAIN_SECONDS"])


class TestTheProbes:
    def test_ask_for_a_restart_by_what_a_restart_can_mend(self):
        (server,) = [one for one in CONTAINERS if one["command"][1] == "serve"]
        paths = {name: server[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert paths == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
