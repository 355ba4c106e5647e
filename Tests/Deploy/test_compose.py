"""deploy/compose.yaml: what it names exists, and its parts find each other."""

import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SLUICE = os.environ.get("SLUICE_BINARY", str(ROOT / ".build/release/sluice"))
VLLM_SIM = os.environ.get("VLLM_SIM_BINARY", str(ROOT / ".build/release/vllm-sim"))
PROMTOOL = shutil.which("promtool") or str(ROOT / ".build/tools/usr/bin/promtool")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def mounts(service):
    for volume in SERVICES[service].get("volumes", []):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            yield DEPLOY / source, target


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_needs_is_there(service):
    for source, _ in mounts(service):
        assert source.exists(), source
    build = SERVICES[service].get("build")
    if build:
        assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
    image = SERVICES[service]["image"]
    assert image == "sluice" or re.fullmatch(r"docker\.io/[a-z/]+:v?\d+\.\d+\.\d+", image)
    for port in SERVICES[service].get("ports", []):
        assert port.startswith("127.0.0.1:"), "ports are open to this machine alone"
    assert set(SERVICES[service].get("depends_on", [])) <= set(SERVICES)


@pytest.mark.parametrize("binary, service", [(SLUICE, "gateway"), (VLLM_SIM, "replica-a")])
def test_the_flags_of_our_own_programs_exist(binary, service):
    flags = [word for word in SERVICES[service]["command"] if word.startswith("--")]
    command = [binary, "serve", "--help"] if service == "gateway" else [binary, "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert flags and all(flag in said for flag in flags)


def test_the_gateway_knows_every_replica_and_prometheus_scrapes_all():
    replicas = {f"{name}:8000" for name in SERVICES if name.startswith("replica-")}
    settings = gateway_settings()
    url = urllib.parse.urlsplit(settings["pools"][0]["replica_dns"])
    assert url.port == 8000
    for name in replicas:
        service = SERVICES[name.partition(":")[0]]
        assert service["networks"]["default"]["aliases"] == [url.hostname]
    config = yaml.safe_load((DEPLOY / "compose/prometheus.yaml").read_text())
    targets = {job["job_name"]: set(job["static_configs"][0]["targets"])
               for job in config["scrape_configs"]}
    assert targets == {"sluice": {"gateway:9802"}, "vllm": replicas}
    assert settings["status"] == "0.0.0.0:9802"


def gateway_settings():
    (source, target), = mounts("gateway")
    command = SERVICES["gateway"]["command"]
    assert command[command.index("--config") + 1] == target
    return yaml.safe_load(source.read_text())


def test_the_rules_are_those_of_the_gateways_objectives():
    (config, _), = mounts("gateway")
    rules = next(source for source, _ in mounts("prometheus") if source.name.endswith("rules.yaml"))
    made = subprocess.run([SLUICE, "rules", "--config", config], capture_output=True, text=True,
                          check=True).stdout
    assert yaml.safe_load(made) == yaml.safe_load(rules.read_text())


def test_grafana_finds_prometheus_and_the_dashboard():
    source = yaml.safe_load((DEPLOY / "compose/grafana-datasource.yaml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((DEPLOY / "compose/grafana-dashboards.yaml").read_text())["providers"][0]
    held = {target: source for source, target in mounts("grafana")}
    assert list(held[provider["options"]["path"]].glob("*.json")) == [DEPLOY / "grafana/sluice.json"]


@pytest.mark.skipif(not pathlib.Path(PROMTOOL).exists(), reason="promtool is not installed")
def test_prometheus_accepts_its_configuration(tmp_path):
    for source, target in mounts("prometheus"):
        shutil.copy(source, tmp_path / pathlib.Path(target).name)
    done = subprocess.run([PROMTOOL, "check", "config", tmp_path / "prometheus.yaml"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
