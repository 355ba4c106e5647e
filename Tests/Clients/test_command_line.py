"""Bad input is answered clearly: flags, files, ports, replicas, certificates."""

import contextlib
import socket
import subprocess

import pytest

import support

pytestmark = pytest.mark.simulated


def sluice(*arguments):
    return subprocess.run([support.SLUICE, *arguments], capture_output=True, text=True,
                          timeout=support.PATIENCE, stdin=subprocess.DEVNULL, check=False)


def test_help_shows_an_example():
    done = sluice("--help")
    assert done.returncode == 0
    assert "--replica http://" in done.stdout + sluice("serve", "--help").stdout


def test_a_wrong_flag_is_named():
    done = sluice("serve", "--replicas", "http://127.0.0.1:1")
    assert done.returncode != 0
    assert "--replicas" in done.stderr


def test_no_replica_at_all_says_what_to_give():
    done = sluice("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert done.returncode != 0
    assert "--replica" in done.stderr


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = sluice("serve", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0",
                      "--replica", "http://127.0.0.1:1")
    assert done.returncode != 0
    assert str(port) in done.stderr
    assert "in use" in done.stderr


def test_a_misspelt_key_is_named_with_line_and_column(tmp_path):
    path = tmp_path / "sluice.yaml"
    path.write_text("lisen: 127.0.0.1:8080\npools: []\n")
    done = sluice("check", str(path))
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"{path}:1:1" in said
    assert "listen" in said


def test_models_are_the_union_of_the_pools(programs, tmp_path):
    first, second = support.Simulator(model="small"), support.Simulator(model="large")
    programs += [first, second]
    path = tmp_path / "sluice.yaml"
    path.write_text(f"""\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
pools:
  - name: small
    replicas:
      - url: {first.url}
  - name: large
    replicas:
      - url: {second.url}
""")
    gateway = support.Gateway("--config", str(path))
    programs.append(gateway)
    support.until(lambda: support.get(gateway.admin + "/readyz").status == 200, what="readiness")
    listed = support.get(gateway.url + "/v1/models").json()
    assert sorted(model["id"] for model in listed["data"]) == ["large", "small"]
    for model in ("small", "large"):
        answer = support.post(gateway.url + "/v1/chat/completions",
                              support.chat_body(model=model, tokens=1))
        assert answer.status == 200
        assert answer.json()["model"] == model


def test_unreachable_replicas_are_a_503_that_says_so(programs):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        gateway = support.gateway_for(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        programs.append(gateway)
        answer = support.post(gateway.url + "/v1/chat/completions", support.chat_body())
    assert answer.status == 503
    assert answer.headers["x-sluice-reason"] == "no_replica"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]["message"]


def test_tls_serves_and_a_wrong_key_is_named(programs, tmp_path):
    def certificate(name):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / f"{name}.key",
             "-out", tmp_path / f"{name}.pem"], check=True, capture_output=True)

    certificate("good")
    certificate("other")
    replica = support.Simulator()
    programs.append(replica)
    gateway = support.gateway_for(replica.url, flags=[
        "--tls-cert", tmp_path / "good.pem", "--tls-key", tmp_path / "good.key"])
    programs.append(gateway)
    assert gateway.url.startswith("https://")
    done = subprocess.run(
        ["curl", "-sS", "-m", "20", "--cacert", tmp_path / "good.pem", gateway.url + "/v1/models"],
        capture_output=True, text=True, check=True)
    assert support.MODEL in done.stdout

    wrong = sluice("serve", "--listen", "127.0.0.1:0", "--replica", replica.url,
                   "--tls-cert", str(tmp_path / "good.pem"), "--tls-key", str(tmp_path / "other.key"))
    assert wrong.returncode != 0
    assert "other.key" in wrong.stderr


def test_malformed_http_is_a_400_and_the_connection_is_closed(fleet):
    host, _, port = fleet.url.removeprefix("http://").rpartition(":")
    with contextlib.closing(socket.create_connection((host, int(port)), 10)) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
