"""docs/metrics.md says what gateways expose: every family, with type and labels, and nothing else."""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest

import support
from serving import WHOLE_ANSWER, Handler, serving

sys.path.insert(0, str(support.ROOT / "Tests"))
import promql  # noqa: E402  (shared with the tests of deploy/)

pytestmark = pytest.mark.simulated

PAGE = (support.ROOT / "docs/metrics.md").read_text()
CATALOG = support.ROOT / "Sources/SluiceTelemetry/Catalog"
# Needs a replica to close an idle connection in the very moment in which it is taken.
RARE = {"sluice_stale_keepalive_total", "sluice_poison_requests_total"}


def rows():
    """Tables of metrics: name → (type, labels, aggregation)."""
    found = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.fullmatch(r"`((?:sluice|process)_\w+)`", cells[0])
        if name and len(cells) == 5:
            assert name[1] not in found, f"{name[1]} is there twice"
            found[name[1]] = (cells[1], re.findall(r"`(\w+)`", cells[2]), cells[3])
    return found


ROWS = rows()


def catalog():
    """The rows of MetricCatalog, read from the sources."""
    words = {"sum": "sum", "max": "max", "maxByReplica": "max by (replica)", "never": "never"}
    found = {}
    for path in CATALOG.glob("MetricCatalog+*.swift"):
        for name, kind, labels, aggregation in re.findall(
                r'MetricRow\(\s*"(\w+)",\s*\.(\w+),\s*\.\w+,\s*\[([^\]]*)\],\s*\.(\w+),',
                path.read_text()):
            found[name] = (kind, re.findall(r"\w+", labels), words[aggregation])
    return found


def test_the_page_has_the_rows_of_the_catalog():
    declared = catalog()
    assert len(declared) > 80
    assert ROWS == declared


class Replica(Handler):
    """A replica that does on request what the simulator does not; `user` in the body says what."""

    def do_GET(self):
        pages = {"/v1/models": b'{"object":"list","data":[{"id":"fake","object":"model"}]}',
                 "/metrics": b"vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n"}
        self.answer(pages.get(self.path, b"{}"))

    def do_POST(self):
        wish = json.loads(self.body()).get("user")
        if wish == "silence":
            time.sleep(2)
            self.close_connection = True
        elif wish == "flood":
            with contextlib.suppress(OSError):
                self.answer(b'"' + b"x" * (24 << 20) + b'"', content_type="application/json")
        else:
            self.answer(WHOLE_ANSWER, content_type="application/json")


def families(text):
    """Types by family, and the label names of all its samples."""
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    labels = {name: set() for name in types}
    for name, pairs in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.M):
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        labels[family] |= set(re.findall(r'(\w+)="', pairs)) - {"le"}
    return {name: (types[name], labels[name]) for name in types}


def leave_in_the_middle(url, body):
    with support.send(url + "/v1/chat/completions", body) as connection:
        seen = b""
        while b"content\":\"" not in seen.replace(b'content":""', b""):
            seen += connection.recv(65_536)


def read_slowly(url):
    with support.send(url + "/v1/chat/completions",
                      {**support.chat_body(model="fake"), "user": "flood"}) as connection:
        time.sleep(0.5)
        count = 0
        while count < 24 << 20:
            count += len(connection.recv(1 << 20))


def crowd(gateway):
    """Somebody waits, somebody would be refused, and there are enough to be divided by ten."""
    chat = gateway.url + "/v1/chat/completions"
    both = [threading.Thread(target=support.post, args=(
        chat, support.chat_body(stream=True, tokens=200))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(support.PATIENCE)
    fake = support.chat_body(model="fake")
    for _ in range(100):
        assert support.post(chat, fake).status == 200
    long = {**fake, "messages": [{"role": "user", "content": "word " * 2_000}]}
    assert support.post(chat, long, {"X-Sluice-Class": "hasty"}).status == 200
    support.until(lambda: support.samples(
        gateway.admin + "/metrics", "sluice_replica_capacity_tokens_per_second"), what="a rate")


def use_everything(gateway, doomed):
    """One of each: what makes a family appear that is not always there."""
    chat = gateway.url + "/v1/chat/completions"
    assert support.post(chat, support.chat_body(stream=True)).status == 200
    assert support.post(chat, support.chat_body(),
                        {"X-Stainless-Retry-Count": "1"}).status == 200
    assert support.post(chat, support.chat_body(model="fake")).status == 200
    leave_in_the_middle(gateway.url, support.chat_body(stream=True, tokens=1_000))
    read_slowly(gateway.url)
    silent = support.post(chat, {**support.chat_body(model="fake"), "user": "silence"})
    assert (silent.status, silent.headers["x-sluice-reason"]) == (504, "timeout_first_content")
    crowd(gateway)
    doomed.stop()
    refused = support.post(chat, support.chat_body(model="doomed"))
    assert (refused.status, refused.headers["x-sluice-reason"]) == (503, "no_replica")
    with support.connect(gateway.url) as garbage:
        garbage.sendall(b"GARBAGE\r\n\r\n")
        assert b" 400 " in garbage.recv(4_096)


@pytest.fixture
def exposed(programs, tmp_path):
    """What two gateways expose, one of them with TLS, after everything has happened once."""
    simulator, doomed = support.Simulator(), support.Simulator(model="doomed")
    programs += [simulator, doomed]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", tmp_path / "tls.key",
         "-out", tmp_path / "tls.pem"], check=True, capture_output=True)
    with serving(Replica) as scripted:
        path = tmp_path / "sluice.yaml"
        path.write_text(json.dumps({  # JSON is YAML
            "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "access_log": "off",
            "tracing": {"endpoint": "http://127.0.0.1:1"},
            "timeouts": {"first_content": "1s"},
            "tenants": [{"name": "other", "key_sha256": ["0" * 64]}],
            "classes": [{"name": "hasty", "ttft_slo": "10ms", "long_prompt": "refuse"},
                        {"name": "standard", "ttft_slo": "1m"}],
            "default_class": "standard",
            "pools": [
                {"name": "simulated", "replicas": [simulator.url], "replica_inflight_max": 1},
                {"name": "scripted", "replicas": [scripted.url], "admission": {"mode": "shadow"}},
                # Probed once only, so that a request finds out that it has gone.
                {"name": "doomed", "replicas": [doomed.url], "scrape_interval": "5m"}]}))
        gateway = support.Gateway("--config", path)
        programs.append(gateway)
        models = gateway.url + "/v1/models"
        support.until(lambda: len(support.get(models).json()["data"]) == 3, what="all models")
        use_everything(gateway, doomed)
        support.until(lambda: support.samples(
            gateway.admin + "/metrics", "sluice_client_disconnects_total"), what="a departure")
        plain = families(support.get(gateway.admin + "/metrics").text)
    secure = support.Gateway(
        "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--replica", simulator.url,
        "--access-log", "off", "--tls-cert", tmp_path / "tls.pem",
        "--tls-key", tmp_path / "tls.key")
    programs.append(secure)
    subprocess.run(["curl", "-sSk", "-m", "20", "-o", "/dev/null", secure.url + "/health"],
                   check=True)
    return {**families(support.get(secure.admin + "/metrics").text), **plain}


def test_every_family_exposed_is_on_the_page_and_vice_versa(exposed):
    assert set(exposed) - set(ROWS) == set(), "exposed, not on the page"
    assert set(ROWS) - set(exposed) - RARE == set(), "on the page, not exposed"
    for name, (kind, labels) in exposed.items():
        assert (kind, labels) == (ROWS[name][0], set(ROWS[name][1])), name


def queries():
    return re.findall(r"```promql\n(.*?)```", PAGE, re.S)


def test_queries_name_metrics_and_labels_of_the_page():
    assert len(queries()) >= 10
    for query in queries():
        for name, matchers in re.findall(r"\b((?:sluice|process)_\w+)(?:\{([^}]*)\})?", query):
            family = name if name in ROWS else re.sub(r"_(bucket|sum|count)$", "", name)
            assert family in ROWS, name
            known = set(ROWS[family][1]) | ({"le"} if ROWS[family][0] == "histogram" else set())
            assert set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', matchers)) <= known, query


def test_queries_join_gateways_as_the_page_says():
    declared = {name: row[2] for name, row in ROWS.items()}
    for query in queries():
        assert list(promql.misuse(query, declared)) == [], query


@pytest.mark.parametrize("query, is_right", [
    ("sum by (pool) (sluice_pool_capacity_requests)", False),  # two gateways, twice the capacity
    ("max by (pool) (sluice_pool_capacity_requests)", True),
    ("sum(sluice_pool_capacity_requests) by (pool)", False),
    ("max by (pool) (sum by (pool, replica) (sluice_replica_inflight))", True),
    ("avg by (pool) (sluice_replica_inflight)", False),
    ("max(sluice_replica_state{state=\"dead\"}) by (replica)", True),
    ("sum by (pool) (sluice_replica_state)", False),  # each replica once for each gateway
    ("sum by (pool) (max by (pool, replica) (sluice_replica_state))", True),
    ("sum by (pool) (vllm:num_requests_running + sluice_replica_inflight)", True),
    ("sum(sluice_draining)", False),
    ("count by (version) (sluice_build_info)", True),
    ("1 - avg(rate(sluice_requests_total{code=\"(x\\\"(\"}[5m]))", False),
    ("histogram_quantile(0.9, sum by (le) (rate(sluice_response_seconds_bucket[5m])))", True),
    ("sluice_draining == 1", True),
    ("sum(sluice_no_such_thing)", False),
])
def test_a_wrong_join_is_found(query, is_right):
    declared = {name: row[2] for name, row in ROWS.items()}
    assert (list(promql.misuse(query, declared)) == []) == is_right


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_accepts_the_queries(tmp_path):
    rules = [{"record": f"q{i}", "expr": query} for i, query in enumerate(queries())]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "page", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def words(section, file="docs/metrics.md"):
    """First cells of the tables of one section."""
    text = pathlib.Path(support.ROOT / file).read_text().split(f"\n## {section}\n")[1]
    cells = re.findall(r"^\| (`.+?) \|", text.split("\n## ")[0], re.M)
    return [word for cell in cells for word in re.findall(r"`([\w.]+)`", cell)]


def labels_of(source, enum):
    """The label values that a Swift enum spells."""
    text = (support.ROOT / "Sources" / source).read_text().split(f"enum {enum}")[1]
    return re.findall(r'case \.\w+: "(\w+)"', text.split("\n}")[0])


def test_every_outcome_is_on_the_page():
    assert words("Outcomes") == labels_of("SluiceTelemetry/Outcome.swift", "Outcome")


def test_every_field_of_the_access_log_is_on_the_page(programs, tmp_path):
    simulator = support.Simulator()
    programs.append(simulator)
    log = tmp_path / "access.log"
    gateway = support.gateway_for(simulator.url, flags=["--access-log", log])
    programs.append(gateway)
    support.post(gateway.url + "/v1/chat/completions", support.chat_body(stream=True))
    line = json.loads(support.until(
        lambda: log.exists() and log.read_text(), what="a line").splitlines()[0])
    # In the page's order, without those that have no value here.
    documented = words("Access log")
    assert list(line) == [field for field in documented if field in line]
    formatter = (support.ROOT / "Sources/SluiceTelemetry/AccessLogFormatter.swift").read_text()
    assert set(documented) == set(re.findall(r'\\"(\w+)\\":', formatter))
    sample = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.S)[1])
    assert list(sample) == list(line)
