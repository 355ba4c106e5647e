"""The Kubernetes manifests: valid by the API's own schemas, and consistent with each other."""

import pathlib
import re
import shutil
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "deploy/kubernetes"
SLUICE = ROOT / ".build/release/sluice"

# Oldest and newest release that the manifests are meant for.
KUBERNETES = ["1.28", "1.32"]

# PodMonitor is no type of Kubernetes itself: what of the operator's schema is used here.
POD_MONITOR = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "PodMonitor"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["selector", "podMetricsEndpoints"],
            "additionalProperties": False,
            "properties": {
                "selector": {"type": "object", "required": ["matchLabels"]},
                "podMetricsEndpoints": {
                    "type": "array", "minItems": 1,
                    "items": {
                        "type": "object", "required": ["port"], "additionalProperties": False,
                        "properties": {
                            "port": {"type": "string"}, "path": {"type": "string"},
                            "interval": {"pattern": "^[0-9]+(ms|s|m)$"},
                            "scrapeTimeout": {"pattern": "^[0-9]+(ms|s|m)$"},
                            "honorLabels": {"type": "boolean"},
                            "relabelings": {"type": "array", "items": {
                                "type": "object", "required": ["targetLabel"],
                                "additionalProperties": False,
                                "properties": {
                                    "sourceLabels": {"type": "array", "items": {"type": "string"}},
                                    "targetLabel": {"type": "string"},
                                    "replacement": {"type": "string"}}}}}}}}}},
}


# Nor is ScaledObject: what of KEDA's schema is used here.
SCALED_OBJECT = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "keda.sh/v1alpha1"},
        "kind": {"const": "ScaledObject"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "required": ["scaleTargetRef", "triggers"],
            "additionalProperties": False,
            "properties": {
                "scaleTargetRef": {"type": "object", "required": ["name"]},
                "minReplicaCount": {"type": "integer", "minimum": 0},
                "maxReplicaCount": {"type": "integer", "minimum": 1},
                "pollingInterval": {"type": "integer", "minimum": 1},
                "cooldownPeriod": {"type": "integer", "minimum": 0},
                "advanced": {
                    "type": "object", "additionalProperties": False,
                    "properties": {"horizontalPodAutoscalerConfig": {
                        "type": "object", "required": ["behavior"]}}},
                "triggers": {
                    "type": "array", "minItems": 1,
                    "items": {
                        "type": "object", "required": ["type", "metadata"],
                        "additionalProperties": False,
                        "properties": {
                            "type": {"const": "prometheus"},
                            # All of them are strings in KEDA.
                            "metadata": {
                                "type": "object",
                                "required": ["serverAddress", "query", "threshold"],
                                "additionalProperties": False,
                                "properties": {
                                    key: {"type": "string"} for key in (
                                        "serverAddress", "query", "threshold",
                                        "ignoreNullValues")}}}}}}}}}

# They scale vLLM's Deployment, not ours, and a cluster wants one of them at most.
EXAMPLES = {"keda.yaml", "hpa.yaml"}


def manifests():
    found = {}
    for path in sorted(DIRECTORY.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            found[document["kind"]] = document
    return found


ALL = manifests()
POD = ALL["Deployment"]["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
LABELS = POD["metadata"]["labels"]
CONFIGURATION = ALL["ConfigMap"]["data"]["sluice.yaml"]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_every_kind_is_there_and_in_the_kustomization():
    assert set(ALL) == {"Kustomization", "ConfigMap", "Deployment", "Service",
                        "PodDisruptionBudget", "NetworkPolicy", "PodMonitor",
                        "ScaledObject", "HorizontalPodAutoscaler"}
    files = {path.name for path in DIRECTORY.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(ALL["Kustomization"]["resources"]) == files - EXAMPLES


@pytest.mark.parametrize("release", KUBERNETES)
@pytest.mark.parametrize("kind", ["ConfigMap", "Deployment", "Service", "PodDisruptionBudget",
                                  "NetworkPolicy", "HorizontalPodAutoscaler"])
def test_manifests_are_valid_by_the_schemas_of_kubernetes(kind, release):
    kubernetes_validate.validate(ALL[kind], release, strict=True)


def test_the_schemas_refuse_a_misspelt_key():
    wrong = {**ALL["Service"], "spec": {**ALL["Service"]["spec"], "selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[-1], strict=True)


def test_the_pod_monitor_is_valid():
    jsonschema.validate(ALL["PodMonitor"], POD_MONITOR)


def test_the_scaled_object_is_valid():
    jsonschema.validate(ALL["ScaledObject"], SCALED_OBJECT)


def test_autoscalers_name_a_metric_and_a_pool_that_exist():
    query = ALL["ScaledObject"]["spec"]["triggers"][0]["metadata"]["query"]
    metric = ALL["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["external"]["metric"]
    name, pool = re.search(r'(sluice_\w+)\{pool="(\w+)"\}', query).groups()
    assert (name, {"pool": pool}) == (metric["name"], metric["selector"]["matchLabels"])
    assert f"| `{name}` |" in (ROOT / "docs/metrics.md").read_text()
    rule = ALL["HorizontalPodAutoscaler"]["metadata"]["annotations"]["prometheus-adapter/rule"]
    assert yaml.safe_load(rule)["name"]["as"] == name
    pools = [p["name"] for p in yaml.safe_load(CONFIGURATION)["pools"]]
    assert pool in pools


def test_both_autoscalers_scale_alike():
    keda, hpa = (ALL[kind]["spec"] for kind in ("ScaledObject", "HorizontalPodAutoscaler"))
    assert keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == hpa["behavior"]
    assert keda["scaleTargetRef"]["name"] == hpa["scaleTargetRef"]["name"] == "vllm"
    assert (keda["minReplicaCount"], keda["maxReplicaCount"]) == (
        hpa["minReplicas"], hpa["maxReplicas"])
    room = float(keda["triggers"][0]["metadata"]["query"].rpartition("/")[2])
    target = hpa["metrics"][0]["external"]["target"]["averageValue"]
    assert int(target.removesuffix("m")) == room * 1_000


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kustomize_renders_every_manifest():
    done = subprocess.run(["kubectl", "kustomize", str(DIRECTORY)], capture_output=True, text=True,
                          check=True)
    rendered = {document["kind"] for document in yaml.safe_load_all(done.stdout)}
    assert rendered == set(ALL) - {"Kustomization", "ScaledObject", "HorizontalPodAutoscaler"}


def test_selectors_choose_the_pods():
    selectors = [ALL["Deployment"]["spec"]["selector"]["matchLabels"],
                 ALL["Service"]["spec"]["selector"],
                 ALL["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
                 ALL["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
                 ALL["PodMonitor"]["spec"]["selector"]["matchLabels"]]
    selectors += [c["labelSelector"]["matchLabels"]
                  for c in POD["spec"]["topologySpreadConstraints"]]
    for selector in selectors:
        assert selector and selector.items() <= LABELS.items()


def test_named_ports_exist_and_agree_with_the_configuration():
    ports = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
    configuration = yaml.safe_load(CONFIGURATION)
    assert configuration["listen"] == f"0.0.0.0:{ports['http']}"
    assert configuration["status"] == f"0.0.0.0:{ports['metrics']}"
    assert ports["metrics"] == 9802
    # The admin listener can change the gateway: never on a pod address.
    assert configuration["admin"].startswith("127.0.0.1:")
    named = [p["targetPort"] for p in ALL["Service"]["spec"]["ports"]]
    named += [e["port"] for e in ALL["PodMonitor"]["spec"]["podMetricsEndpoints"]]
    named += [p["port"] for rule in ALL["NetworkPolicy"]["spec"]["ingress"] for p in rule["ports"]]
    assert set(named) == set(ports)


def test_probes_ask_the_status_port():
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/livez"),
                        ("startupProbe", "/livez")):
        assert CONTAINER[probe]["httpGet"] == {"path": path, "port": "metrics"}


def test_a_drain_fits_into_the_grace_period():
    timeouts = yaml.safe_load(CONFIGURATION)["timeouts"]
    assert timeouts == {"drain_delay": "15s", "drain_max": "300s"}
    grace = POD["spec"]["terminationGracePeriodSeconds"]
    assert grace == 330
    assert seconds(timeouts["drain_delay"]) + seconds(timeouts["drain_max"]) < grace
    # Long enough for the endpoints to have heard of the failed readiness.
    probe = CONTAINER["readinessProbe"]
    assert seconds(timeouts["drain_delay"]) > probe["periodSeconds"] * probe["failureThreshold"]


def test_a_rollout_or_a_drained_node_never_leaves_nobody():
    spec = ALL["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert ALL["PodDisruptionBudget"]["spec"]["maxUnavailable"] < spec["replicas"]


def test_memory_is_limited_and_cpu_is_not():
    resources = CONTAINER["resources"]
    assert resources["requests"] == {"cpu": "1", "memory": "256Mi"}
    assert set(resources["limits"]) == {"memory"}
    # Without a CPU limit the number of workers has to be said.
    assert yaml.safe_load(CONFIGURATION)["workers"] >= 1


def test_the_pod_is_sandboxed():
    pod, own = POD["spec"]["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert POD["spec"]["automountServiceAccountToken"] is False
    tag = CONTAINER["image"].rpartition(":")[2]
    assert tag and tag != "latest"


def test_the_network_policy_lets_the_gateway_reach_what_the_configuration_names():
    port = int(yaml.safe_load(CONFIGURATION)["pools"][0]["replica_dns"].rpartition(":")[2])
    ports = {p["port"] for rule in ALL["NetworkPolicy"]["spec"]["egress"] for p in rule["ports"]}
    assert ports == {53, port}


def test_the_gateway_accepts_the_configuration(tmp_path):
    path = tmp_path / "sluice.yaml"
    path.write_text(CONFIGURATION)
    done = subprocess.run([SLUICE, "check", path], capture_output=True, text=True, timeout=30,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
