"""What kustomize makes of deploy/kubernetes, against the schemas and against itself."""

import copy
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import Cluster
from tests.deploy.conftest import DEPLOY, Build, find_module, pods, unavailable

KUBERNETES = "1.35"
"""Version of the schemas that everything is held to."""

SLOTS = ("blue", "green")
CLUSTERS = (*SLOTS, "operator", "oidc")
WITH_PODS = (*CLUSTERS, "pipeline")


def strict(schema: Any) -> Any:
    """Return a schema of a custom resource that knows no other fields, as a server with it."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        open_ended = schema.get("x-kubernetes-preserve-unknown-fields", False)
        schema["additionalProperties"] = open_ended
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    return schema


@pytest.fixture(scope="module")
def operator_schemas() -> dict[str, Any]:
    """Return the operator's schemas, which come with its package, by kind."""
    files = sorted(Path(sys.prefix, "share", "dask-kubernetes").rglob("crds/*.yaml"))
    if not files:
        unavailable("needs the operator's schemas: `make test` brings them")
    definitions = [yaml.safe_load(file.read_text()) for file in files]
    schemas = {}
    for definition in definitions:
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        top = {"apiVersion": {"const": "kubernetes.dask.org/v1"}, "kind": {}, "metadata": {}}
        schema["properties"] |= top
        schemas[definition["spec"]["names"]["kind"]] = strict(schema)
    return schemas


@pytest.mark.parametrize("name", ["shared", *WITH_PODS])
def test_every_resource_fits_its_schema(name: str, build: Build, operator_schemas: dict[str, Any]):
    validate = find_module("kubernetes_validate").validate
    kinds = set()
    for resource in build(name):
        if resource["apiVersion"].startswith("kubernetes.dask.org/"):
            jsonschema.validate(resource, operator_schemas[resource["kind"]])
        else:
            validate(resource, KUBERNETES, strict=True)
        kinds.add(resource["kind"])
    if name == "operator":
        assert {"DaskCluster", "DaskAutoscaler"} <= kinds
        assert "HorizontalPodAutoscaler" not in kinds


def test_schemas_refuse_what_is_misspelt(build: Build, operator_schemas: dict[str, Any]):
    kubernetes_validate = find_module("kubernetes_validate")
    by_kind = {r["kind"]: r for r in build("operator")}
    cluster = copy.deepcopy(by_kind["DaskCluster"])
    cluster["spec"]["worker"]["spec"]["containers"][0]["comand"] = []
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.validate(cluster, operator_schemas["DaskCluster"])
    policy = copy.deepcopy(by_kind["NetworkPolicy"])
    policy["spec"]["ingres"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="ingres"):
        kubernetes_validate.validate(policy, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", WITH_PODS)
def test_pods_have_no_rights(name: str, build: Build):
    for _, pod in pods(build(name)):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"] + pod.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            assert ":" in container["image"]
            assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", ["shared", *WITH_PODS])
def test_no_secret_is_in_the_repository_and_each_is_documented(name: str, build: Build):
    readme = (DEPLOY / "README.md").read_text()
    resources = build(name)
    assert not [r for r in resources if r["kind"] == "Secret"]
    for _, pod in pods(resources):
        named = [v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v]
        for container in pod["containers"]:
            named += [e["secretRef"]["name"] for e in container.get("envFrom", [])]
        assert all(secret in readme for secret in named), named


@pytest.mark.parametrize("name", WITH_PODS)
def test_all_that_is_named_is_there(name: str, build: Build):
    resources = build(name)
    maps = {r["metadata"]["name"] for r in resources + build("shared") if r["kind"] == "ConfigMap"}
    accounts = {r["metadata"]["name"] for r in resources if r["kind"] == "ServiceAccount"}
    volumes = [r for r in resources + build("shared") if r["kind"] == "PersistentVolumeClaim"]
    claims = {r["metadata"]["name"] for r in volumes}
    services = {r["metadata"]["name"] for r in resources if r["kind"] == "Service"}
    if name == "operator":
        services.add("cryptodask-scheduler")  # which the operator makes, and names so
    for _, pod in pods(resources):
        assert pod["serviceAccountName"] in accounts
        volumes = {v["name"]: v for v in pod["volumes"]}
        used = {m["name"] for c in pod["containers"] for m in c.get("volumeMounts", [])}
        assert used == volumes.keys()
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= maps
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
        for variable in (e for c in pod["containers"] for e in c.get("env", [])):
            if variable["name"] == "SCHEDULER_HOST":
                assert variable["value"] in services
            if "configMapKeyRef" in variable.get("valueFrom", {}):
                assert variable["valueFrom"]["configMapKeyRef"]["name"] in maps


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@pytest.mark.parametrize("name", WITH_PODS)
def test_services_budgets_and_policies_find_their_pods_and_ports(name: str, build: Build):
    resources = build(name)
    all_pods = list(pods(resources))

    def ports(selector: dict[str, str]) -> set[int | str]:
        matching = [pod for labels, pod in all_pods if selects(selector, labels)]
        assert matching, selector
        listed = [p for pod in matching for c in pod["containers"] for p in c.get("ports", [])]
        return {p["containerPort"] for p in listed} | {p["name"] for p in listed}

    for resource in resources:
        spec = resource.get("spec", {})
        if resource["kind"] == "Service":
            assert {p["targetPort"] for p in spec["ports"]} <= ports(spec["selector"])
        if resource["kind"] == "PodDisruptionBudget":
            assert ports(spec["selector"]["matchLabels"])
        if resource["kind"] == "NetworkPolicy":
            open_ports = ports(spec["podSelector"]["matchLabels"])
            for rule in spec.get("ingress", []):
                assert {p["port"] for p in rule["ports"]} <= open_ports
            for rule in spec.get("egress", []):
                for peer in rule.get("to", []):
                    if "podSelector" in peer:
                        theirs = ports(peer["podSelector"]["matchLabels"])
                        assert {p["port"] for p in rule["ports"]} <= theirs


@pytest.mark.parametrize("name", CLUSTERS)
def test_who_may_talk_to_whom(name: str, build: Build):
    assert talk_of(build(name)) == {
        ("client", "scheduler"): [8786],
        ("proxy", "scheduler"): [8787],
        ("scheduler", "worker"): [8790, 8791],
        ("worker", "scheduler"): [8786],
        ("worker", "worker"): [8790, 8791],
    }


def test_the_pipeline_talks_to_its_database_alone(build: Build):
    resources = build("pipeline")
    assert talk_of(resources) == {("airflow", "postgres"): [5432]}
    assert talk_of(resources + build("blue")) == talk_of(resources) | talk_of(build("blue"))
    (policy,) = [
        r["spec"] for r in resources
        if r["kind"] == "NetworkPolicy" and r["metadata"]["name"] == "cryptodask-airflow"
    ]  # fmt: skip
    outside = [r for r in policy["egress"] if any("ipBlock" in peer for peer in r["to"])]
    assert [[p["port"] for p in rule["ports"]] for rule in outside] == [[443]]


def talk_of(resources: list[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """Return at which ports each pair of parts talks: the one may go out, the other lets it in."""
    labels = {ls["app.kubernetes.io/component"]: ls for ls, _ in pods(resources)}
    policies = [r["spec"] for r in resources if r["kind"] == "NetworkPolicy"]

    def allowed(mine: str, other: str, way: str) -> set[int]:
        allowed: set[int] = set()
        for policy in policies:
            if not selects(policy["podSelector"]["matchLabels"], labels[mine]):
                continue
            for rule in policy.get(way, []):
                for peer in rule.get("from" if way == "ingress" else "to", []):
                    if selects(peer.get("podSelector", {}).get("matchLabels", {"": ""}),
                               labels[other]):  # fmt: skip
                        allowed |= {p["port"] for p in rule["ports"]}
        return allowed

    talk = {
        (a, b): sorted(allowed(a, b, "egress") & allowed(b, a, "ingress"))
        for a in labels for b in labels
    }  # fmt: skip
    return {pair: ports for pair, ports in talk.items() if ports}


def test_compose_and_kubernetes_have_one_pipeline(build: Build):
    """Both mount one file of settings, and run the same commands of Airflow."""
    (settings,) = [r for r in build("pipeline") if r["kind"] == "ConfigMap"]
    text = (DEPLOY / "kubernetes" / "pipeline" / "pipeline.toml").read_text()
    assert settings["data"]["pipeline.toml"] == text
    compose = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())["services"]
    theirs = {tuple(s["command"]) for n, s in compose.items() if n.startswith("airflow-")}
    ours = {
        tuple(container["command"])
        for _, pod in pods(build("pipeline"))
        for container in pod["containers"] + pod.get("initContainers", [])
        if "command" in container
    }
    assert ours == theirs


def test_all_is_denied_that_no_policy_allows(build: Build):
    (policy,) = [r["spec"] for r in build("shared") if r["kind"] == "NetworkPolicy"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_slots_stand_beside_each_other(build: Build):
    blue, green = (build(slot) for slot in SLOTS)
    names = [{(r["kind"], r["metadata"]["name"]) for r in slot} for slot in (blue, green)]
    assert not names[0] & names[1]
    selectors = [r["spec"]["selector"] for r in blue if r["kind"] == "Service"]
    assert not [s for s in selectors for labels, _ in pods(green) if selects(s, labels)]
    (live,) = [r for r in build("shared") if r["kind"] == "ConfigMap"]
    assert live["data"]["slot"] in SLOTS
    (ingress,) = [r for r in build("shared") if r["kind"] == "Ingress"]
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
    assert ("Service", backend) in names[0]


def run_client(build: Build, folder: Path, cluster: Cluster, prices: Path, live: str) -> None:
    """Run what the pod of the slot blue runs, with its folders and its scheduler elsewhere."""
    (job,) = [pod for _, pod in pods(build("blue")) if pod["containers"][0]["name"] == "client"]
    (script,) = job["containers"][0]["args"]
    script = re.sub(r"(?<=[\" ])/forecasts(?=/)", str(folder), script)
    script = script.replace(" /data", f" {prices}")
    script = script.replace("tls://$SCHEDULER_HOST:8786", cluster.address)
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    command = tools / "cryptodask"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cryptodask.cli "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "SLOT": "blue", "LIVE": live}
    done = subprocess.run(
        ["sh", "-euc", script], env=env | {"SCHEDULER_HOST": "-"}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_only_the_live_slot_says_which_forecasts_are_latest(
    build: Build, cluster: Cluster, small_folder: Path, tmp_path: Path
):
    run_client(build, tmp_path, cluster, small_folder, live="green")
    assert len(list(tmp_path.glob("blue/*/forecasts.parquet"))) == 1
    assert not (tmp_path / "latest").exists()
    old = tmp_path / "green" / "old"
    old.mkdir(parents=True)
    (tmp_path / "latest").symlink_to("green/old")
    run_client(build, tmp_path, cluster, small_folder, live="blue")
    assert (tmp_path / "latest" / "forecasts.parquet").exists()
    assert (tmp_path / "latest").resolve().parent == tmp_path / "blue"
    assert not list(old.iterdir())
