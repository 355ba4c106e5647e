"""A real Prometheus, and what it is asked."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest

import support


@contextlib.contextmanager
def prometheus(directory, jobs, *flags, rules=None, renamed=()):
    """Debian's, scraping twice a second and evaluating a file of rules as often; its URL.

    Jobs in `renamed` have `_` for each `:` in the names of metrics, as after an OpenTelemetry collector.
    """
    found = shutil.which("prometheus") or support.ROOT / ".build/tools/usr/bin/prometheus"
    if not shutil.which(found):
        pytest.skip("prometheus is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if rules:
        often = re.sub(r"^    interval: \w+\n", "", rules.read_text(), flags=re.M)
        (directory / "rules.yml").write_text(often)
    (directory / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [f"{directory}/rules.yml"] if rules else [],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": targets}],
             "metric_relabel_configs": [
                 {"source_labels": ["__name__"], "regex": "([^:]+):(.+)", "target_label": "__name__",
                  "replacement": "${1}_${2}"}] if name in renamed else []}
            for name, targets in jobs.items()]}))
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(
            [found, f"--config.file={directory}/prometheus.yml",
             f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}",
             *flags],
            stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def ask(url, query):
    """The values that a query has now; None while Prometheus does not answer."""
    with contextlib.suppress(OSError, ValueError):
        answer = support.get(
            f"{url}/api/v1/query?query={urllib.parse.quote(query)}").json()
        assert answer["status"] == "success", (query, answer)
        return [float(row["value"][1]) for row in answer["data"]["result"]]
    return None
