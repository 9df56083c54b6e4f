"""The manifests for Kubernetes: Kubernetes takes them, they fit one another, and they say what the code needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import KEY
from tests.deploy.promises import DEPLOY, DOCUMENTED, ENDS, HEALS, ROOT, may_have
from tests.support.service import PROGRAMS, Service, eventually, free_port

FOLDER = DEPLOY / "kubernetes"
FILES = sorted(FOLDER.rglob("*.yaml"))
COMMANDS = json.loads((ROOT / "store" / "cli" / "commands.json").read_text())

#: Kinds that have pods.
WORKLOADS = ("Deployment", "StatefulSet", "Job")

#: The oldest and the newest Kubernetes that is looked at.
VERSIONS = ("1.29", "1.37")


def manifests(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in read() if not kinds or one["kind"] in kinds]


@cache
def read() -> list[dict[str, Any]]:
    return [one for file in FILES for one in yaml.safe_load_all(file.read_text())]


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"] for one in manifests(*WORKLOADS)]


def containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each container, with the role that its pod has, and the spec of its pod."""
    for pod in pods():
        for one in pod["spec"]["containers"]:
            yield one["args"][0], one, pod["spec"]


def labels(pod: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = pod["metadata"]["labels"]
    return found


def selects(selector: dict[str, Any], of: dict[str, str]) -> bool:
    alike = all(of.get(name) == value for name, value in selector.get("matchLabels", {}).items())
    return alike and all(of.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


def shared() -> dict[str, str]:
    return {name: value for one in manifests("ConfigMap") for name, value in one["data"].items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_each_strictly(version: str) -> None:
    files = [str(file) for file in FILES if file.name != "alerts.yaml"]  # Its kind is not Kubernetes' own.
    command = [str(PROGRAMS / "kubernetes-validate"), "--kubernetes-version", version, "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_are_those_of_the_rules() -> None:
    assert subprocess.run([sys.executable, ROOT / ".ci" / "alerts.py"], capture_output=True, text=True, check=False).returncode == 0
    assert manifests("PrometheusRule")[0]["spec"] == yaml.safe_load((DEPLOY / "alerts.yml").read_text())


def test_everything_is_in_one_namespace_and_each_name_is_there_once() -> None:
    assert {one["metadata"].get("namespace", one["metadata"]["name"]) for one in manifests()} == {"standing"}
    names = [(one["kind"], one["metadata"]["name"]) for one in manifests()]
    assert len(names) == len(set(names))


def test_every_setting_that_is_given_exists() -> None:
    given = {entry["name"].removesuffix("_FILE") for _, one, _ in containers() for entry in one["env"]} | set(shared())
    assert given - DOCUMENTED == set()


def test_every_container_has_the_shared_settings() -> None:
    assert {json.dumps(one["envFrom"]) for _, one, _ in containers()} == {'[{"configMapRef": {"name": "standing"}}]'}


def test_each_secret_is_a_file_that_is_mounted_and_of_its_name() -> None:
    for role, one, spec in containers():
        mounted = {mount["name"]: mount["mountPath"] for mount in one["volumeMounts"]}
        items = {
            f"{mounted[volume['name']]}/{item['path']}": item["key"]
            for volume in spec["volumes"]
            if volume["name"] in mounted
            for item in volume.get("secret", {}).get("items", [])
        }
        named = {entry["value"]: entry["name"].removesuffix("_FILE") for entry in one["env"] if entry["name"].endswith("_FILE")}
        assert named == items, role


def test_no_container_is_given_a_secret_that_it_does_not_need() -> None:
    too_much = [
        (role, entry["name"])
        for role, one, _ in containers()
        for entry in one["env"]
        if entry["name"].endswith("_FILE") and not may_have(role, entry["name"].removesuffix("_FILE"))
    ]
    assert too_much == []


def test_every_role_is_a_command_and_every_image_a_version() -> None:
    assert {role for role, _, _ in containers()} == {"web", "relay", "console", "worker", "migrate"} & set(COMMANDS)
    assert {one["image"] for _, one, _ in containers()} == {"standing:VERSION"}


def test_every_pod_keeps_to_the_restricted_standard() -> None:
    assert manifests("Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for role, one, spec in containers():
        context = spec["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"], context["seccompProfile"]) == (True, 10001, {"type": "RuntimeDefault"}), role
        restricted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert one["securityContext"] == restricted, role
        # Names of Services become variables otherwise, and the account's token a file.
        assert (spec["enableServiceLinks"], spec["automountServiceAccountToken"]) == (False, False), role
        assert one["resources"]["limits"]["memory"], role
        assert one["resources"]["requests"].keys() == {"cpu", "memory"}, role


def test_each_path_that_is_written_is_a_volume() -> None:
    written = [value for name, value in shared().items() if name in ("VAR_DIR", "RELAY_SOCKET", "ERASURE_LEDGER", "LOG_STATE")]
    for role, one, _ in containers():
        places = [mount["mountPath"] for mount in one["volumeMounts"] if not mount.get("readOnly")]
        own = [entry["value"] for entry in one["env"] if not entry["name"].endswith("_FILE")]
        for path in [*written, *own] if role != "migrate" else []:
            assert any(Path(path).is_relative_to(place) for place in places), (role, path)


def test_every_selector_finds_pods() -> None:
    for one in manifests("Deployment", "StatefulSet"):
        assert selects(one["spec"]["selector"], labels(one["spec"]["template"]))
        for spread in one["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"], labels(one["spec"]["template"]))
    selectors = [one["spec"]["selector"] for one in manifests("PodDisruptionBudget")]
    selectors += [{"matchLabels": one["spec"]["selector"]} for one in manifests("Service")]
    selectors += [one["spec"]["podSelector"] for one in manifests("NetworkPolicy")]
    for selector in selectors:
        assert any(selects(selector, labels(pod)) for pod in pods()), selector


def test_no_selector_finds_the_pods_of_two_roles_but_for_the_two_kinds_of_web() -> None:
    for one in manifests("Deployment", "Service", "PodDisruptionBudget"):
        selector = one["spec"]["selector"]
        wanted = selector if "matchLabels" in selector else {"matchLabels": selector}
        found = {labels(pod)["app.kubernetes.io/component"] for pod in pods() if selects(wanted, labels(pod))}
        assert len(found) == 1, one["metadata"]["name"]


def test_ports_are_those_of_the_settings_and_the_policies_let_the_services_through() -> None:
    ports = {"web": int(shared()["PORT"]), "console": int(shared()["CONSOLE_PORT"])}
    for role, one, _ in containers():
        assert one.get("ports", []) == ([{"name": "http", "containerPort": ports[role]}] if role in ports else []), role
    for service in manifests("Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        port = service["spec"]["ports"][0]["port"]
        for pod in (pod for pod in pods() if selects(selector, labels(pod))):
            assert pod["spec"]["containers"][0]["ports"][0]["containerPort"] == port
            open_to = [
                entry["port"]
                for policy in manifests("NetworkPolicy")
                if "Ingress" in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], labels(pod))
                for rule in policy["spec"].get("ingress", [])
                for entry in rule["ports"]
            ]
            assert open_to == [port], service["metadata"]["name"]


def test_nothing_but_what_a_policy_names_is_let_through_and_few_call_other_hosts() -> None:
    closed = [one["spec"] for one in manifests("NetworkPolicy") if one["spec"]["podSelector"] == {} and "egress" not in one["spec"]]
    assert closed == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    outwards = [one["spec"] for one in manifests("NetworkPolicy") if "ipBlock" in json.dumps(one)]
    assert {
        labels(pod)["app.kubernetes.io/component"] for pod in pods() for spec in outwards if selects(spec["podSelector"], labels(pod))
    } == {"worker", "images"}


def test_each_pod_is_given_the_time_that_its_end_takes() -> None:
    for role, one, spec in containers():
        if role == "migrate":
            continue
        wait = int(one["lifecycle"]["preStop"]["exec"]["command"][1]) if "lifecycle" in one else 0
        assert spec["terminationGracePeriodSeconds"] >= wait + ENDS[role] + 5, role
    # A relay that ended before its web process would refuse what is under way.
    waits = {role: one["lifecycle"]["preStop"]["exec"]["command"][1] for role, one, _ in containers() if "lifecycle" in one}
    assert int(waits["relay"]) > int(waits["web"])


def test_a_probe_ends_no_process_that_repairs_itself() -> None:
    for role, one, _ in containers():
        if "livenessProbe" in one:
            probe = one["livenessProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] > HEALS[role], role
    assert {role for role, one, _ in containers() if "livenessProbe" in one} == {"web", "console"}


def test_web_processes_are_replaced_one_by_one_and_never_all() -> None:
    for one in manifests("Deployment"):
        if one["metadata"]["name"] in ("standing-web", "standing-images"):
            assert one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
            assert one["spec"]["replicas"] >= 2


def paths(role: str, probe: str) -> set[str]:
    return {one[probe]["httpGet"]["path"] for name, one, _ in containers() if name == role and probe in one}


@pytest.mark.parametrize("running", ["sqlite"], indirect=True)
def test_the_paths_of_probes_answer_and_those_of_liveness_without_a_database_too(running: Service, valkey_url: str, tmp_path: Path) -> None:
    assert {
        running.get(path, token=None).status
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        for path in paths("web", probe)
    } == {200}
    nowhere = f"postgresql://standing@127.0.0.1:{free_port()}/standing"
    cut_off = Service(
        tmp_path, {"DATABASE_URL": nowhere, "REDIS_URL": valkey_url, "ENCRYPTION_KEYS": KEY, "CONSOLE_PORT": str(free_port())}
    )
    try:
        cut_off.start_web()
        assert {cut_off.get(path, token=None).status for path in paths("web", "livenessProbe") | paths("web", "startupProbe")} == {200}
        assert {cut_off.get(path, token=None).status for path in paths("web", "readinessProbe")} == {503}
        cut_off.run("standing", "console")
        cut_off.port = int(cut_off.environment["CONSOLE_PORT"])
        eventually(lambda: answers(cut_off, *paths("console", "startupProbe")), "the console to answer")
        assert {
            cut_off.get(path, token=None).status for probe in ("livenessProbe", "readinessProbe") for path in paths("console", probe)
        } == {200}
    finally:
        cut_off.end()


def answers(service: Service, path: str) -> bool:
    try:
        return service.get(path, token=None).status == 200
    except OSError:
        return False
