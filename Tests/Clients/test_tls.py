"""TLS on both sides of the gateway, with certificates of our own."""

import http.client
import json
import re
import socket
import ssl
import subprocess
import time

import pytest

import support
import tls_front

pytestmark = pytest.mark.simulated


@pytest.fixture
def secured(programs, tmp_path):
    """A function that starts a replica behind TLS and a gateway with TLS before it."""
    fronts = []

    def start(names="IP:127.0.0.1", trusted="ca"):
        authority = tls_front.authority(tmp_path)
        tls_front.authority(tmp_path, "stranger")
        replica = support.Simulator("--fixed-ttft-ms", "50", "--fixed-gap-ms", "50")
        programs.append(replica)
        front = tls_front.Front(
            int(replica.url.rpartition(":")[2]),
            *tls_front.certificate(tmp_path, "replica", names))
        fronts.append(front)
        certificate, key = tls_front.certificate(tmp_path, "gateway")
        configuration = tmp_path / "sluice.yaml"
        configuration.write_text(json.dumps({
            "listen": "127.0.0.1:0", "admin": "127.0.0.1:0",
            "tls": {"cert_file": str(certificate), "key_file": str(key)},
            "pools": [{"name": "default", "ca_file": str(tmp_path / f"{trusted}.pem"),
                       "replicas": [front.url]}]}))
        gateway = support.Gateway("--config", configuration)
        programs.append(gateway)
        context = ssl.create_default_context(cafile=authority)
        return front, gateway, context

    yield start
    for front in fronts:
        front.close()


def address(gateway):
    host, port = re.fullmatch(r"https?://(.*):(\d+)", gateway.url).groups()
    return host, int(port)


def wait_until_ready(gateway):
    support.until(lambda: support.get(gateway.admin + "/readyz").status == 200, what="readiness")


def ask(gateway, context, connection=None, **body):
    connection = connection or http.client.HTTPSConnection(
        *address(gateway), context=context, timeout=support.PATIENCE)
    connection.request("POST", "/v1/chat/completions", json.dumps(support.chat_body(**body)),
                       {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def test_events_stream_through_tls_on_both_sides_as_they_come(secured):
    _, gateway, context = secured()
    wait_until_ready(gateway)
    _, answer = ask(gateway, context, stream=True, tokens=8)
    assert answer.status == 200
    times = []
    lines = []
    while line := answer.readline():
        if line.startswith(b"data:"):
            times.append(time.monotonic())
            lines.append(line)
    assert lines[-1] == b"data: [DONE]\n"
    # Eight tokens 50 ms apart: held back, they would come together.
    assert times[-1] - times[0] > 0.25


def test_replicas_are_asked_again_on_the_same_connection_and_it_ends_with_close_notify(
        secured, programs):
    front, gateway, context = secured()
    wait_until_ready(gateway)
    connection = None
    for _ in range(5):
        connection, answer = ask(gateway, context, connection, tokens=1)
        assert answer.status == 200
        answer.read()
        # TLS 1.3 sends session tickets after the handshake: no reason to give a connection up.
        time.sleep(0.05)
    used = [c for c in front.connections if c.posts]
    assert [c.posts for c in used] == [5]
    connection.close()
    programs.remove(gateway)
    gateway.stop()
    support.until(lambda: used[0].ended_at is not None, what="the end of the replica's connection")
    assert used[0].ended_orderly


def test_a_client_that_leaves_ends_the_replicas_connection(secured):
    front, gateway, context = secured()
    wait_until_ready(gateway)
    connection, answer = ask(gateway, context, stream=True, tokens=1_000)
    for _ in range(4):
        answer.readline()
    busy = next(c for c in front.connections if c.posts)
    left_at = time.monotonic()
    answer.close()
    connection.close()
    support.until(lambda: busy.ended_at is not None, 2, "the end of the replica's connection")
    # The promise is 50 ms; the rest is for the threads of this test on a busy machine.
    assert busy.ended_at - left_at < 0.25
    support.until(lambda: support.in_flight(gateway.admin) == 0, what="nothing in flight")


@pytest.mark.parametrize("names, trusted, reason", [
    ("IP:127.0.0.1", "stranger", "unknown CA"),
    ("DNS:elsewhere.test", "ca", "name"),
])
def test_a_replica_whose_certificate_is_not_right_is_not_asked(secured, names, trusted, reason):
    front, gateway, context = secured(names, trusted)
    def problem():
        return support.replicas(gateway.admin)[0]["tls_problem"]

    support.until(problem, what="a word about it")
    assert problem().startswith("certificate of 127.0.0.1: ") and reason in problem()
    assert problem() in gateway.output()
    _, answer = ask(gateway, context, tokens=1)
    assert answer.status in (502, 503), answer.read()
    assert json.loads(answer.read())["error"]["message"]
    assert not any(c.posts for c in front.connections)


def test_http_1_1_is_agreed_on_and_old_tls_is_refused(secured):
    _, gateway, context = secured()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(address(gateway), support.PATIENCE) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"
            assert secure.version() in ("TLSv1.2", "TLSv1.3")
    host, port = address(gateway)
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_1", "-cipher",
         "DEFAULT:@SECLEVEL=0"], input="", capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "protocol version" in done.stderr + done.stdout


def test_a_reload_names_every_file_it_cannot_use_and_changes_nothing(secured, tmp_path):
    _, gateway, context = secured()
    wait_until_ready(gateway)
    path = tmp_path / "sluice.yaml"
    settings = json.loads(path.read_text())
    tls_front.certificate(tmp_path, "another")
    (tmp_path / "torn.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    settings["tls"]["key_file"] = str(tmp_path / "another.key")
    settings["pools"][0]["ca_file"] = str(tmp_path / "torn.pem")
    path.write_text(json.dumps(settings, indent=1))
    answer = support.post(gateway.admin + "/reload", b"", {"x-sluice-admin": "1"})
    assert answer.status == 409
    for part in (f"{path}:6:15: error: tls.key_file: `{tmp_path}/another.key`: the private key does not",
                 f"{path}:11:15: error: pools[0].ca_file: `{tmp_path}/torn.pem`: ",
                 "2 errors in the configuration; nothing has changed."):
        assert part in answer.text, answer.text
    assert ask(gateway, context)[1].status == 200


def test_http_without_tls_is_told_so(secured):
    _, gateway, _ = secured()
    connection = http.client.HTTPConnection(*address(gateway), timeout=support.PATIENCE)
    connection.request("GET", "/v1/models")
    answer = connection.getresponse()
    assert answer.status == 400
    assert answer.getheader("Connection") == "close"
    assert "https" in json.loads(answer.read())["error"]["message"]
