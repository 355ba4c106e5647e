"""Bad input is answered clearly: flags, files, ports, replicas, certificates."""

import contextlib
import re
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


def test_a_port_that_is_shared_is_said(programs):
    """An upgrade shares the port for a moment; who did not mean to has to hear of it."""
    replica = support.Simulator()
    programs.append(replica)
    first = support.gateway_for(replica.url)
    programs.append(first)
    assert "listens" not in first.output()
    second = support.Gateway("--listen", first.url.removeprefix("http://"), "--admin", "127.0.0.1:0",
                             "--replica", replica.url)
    programs.append(second)
    warned = "another process listens on " + first.url.removeprefix("http://") + " too"
    support.until(lambda: warned in second.output(), what="the warning")
    for _ in range(8):  # whichever takes it
        assert support.post(first.url + "/v1/chat/completions", support.chat_body()).status == 200


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


def certificate(directory, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", directory / f"{name}.key",
         "-out", directory / f"{name}.pem"], check=True, capture_output=True)


def test_tls_serves_and_a_wrong_key_is_named(programs, tmp_path):
    certificate(tmp_path, "good")
    certificate(tmp_path, "other")
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
    assert wrong.returncode == 2
    assert f"--tls-key: error: tls.key_file: `{tmp_path}/other.key`: " in wrong.stderr
    assert "1 error in the configuration; nothing was started." in wrong.stderr


def test_malformed_http_is_a_400_and_the_connection_is_closed(fleet):
    host, _, port = fleet.url.removeprefix("http://").rpartition(":")
    with contextlib.closing(socket.create_connection((host, int(port)), 10)) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_check_refuses_what_serve_would(tmp_path):
    for name in ("good", "other"):
        certificate(tmp_path, name)
    path = tmp_path / "sluice.yaml"
    text = "tls: {{cert_file: good.pem, key_file: {}}}\npools: [{{name: a, replicas: [http://a:1]}}]\n"
    path.write_text(text.format("good.key"))
    assert sluice("check", str(path)).returncode == 0
    path.write_text(text.format("other.key"))
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    path.write_text(path.read_text() + "tracing:\n  endpoint: https://127.0.0.1:1\n  ca_file: ca.pem\n")
    for command in (["check", str(path)], ["serve", "--config", str(path)]):
        done = sluice(*command)
        assert done.returncode == 2
        assert (f"{path}:1:38: error: tls.key_file: `{tmp_path}/other.key`: the private key does "
                f"not belong to the first certificate of {tmp_path}/good.pem\n    1 | tls: ") in done.stderr
        assert f"{path}:5:12: error: tracing.ca_file: `{tmp_path}/ca.pem`: " in done.stderr
        assert "2 errors in the configuration; nothing was started." in done.stderr
        assert "OK" not in done.stdout


def test_a_file_given_to_check_is_not_called_a_flag():
    done = sluice("check", "/no/such/sluice.yaml")
    assert done.returncode == 2
    assert "/no/such/sluice.yaml" in done.stderr
    assert "--config" not in done.stderr


def test_an_address_of_another_machine_is_named_with_what_to_look_at():
    done = sluice("serve", "--listen", "192.0.2.1:8080", "--admin", "off",
                  "--replica", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "192.0.2.1:8080" in done.stderr
    assert "no interface of this machine has that address" in done.stderr


def test_a_result_that_cannot_be_written_stops_a_load_test_before_it_begins(tmp_path):
    done = sluice("bench", "http://127.0.0.1:1", "--model", "m", "--requests", "1",
                  "--json", str(tmp_path / "missing" / "result.json"))
    assert done.returncode == 1
    assert "--json" in done.stderr
    assert f"{tmp_path}/missing" in done.stderr
    assert "requests" not in done.stdout


def test_a_load_test_says_what_the_endpoint_answered(programs):
    replica = support.Simulator()
    programs.append(replica)
    done = sluice("bench", replica.url, "--model", "another", "--requests", "2")
    assert done.returncode == 1
    assert "HTTP 404" in done.stdout
    assert "the first: " in done.stdout and "another" in done.stdout
    assert "no request succeeded" in done.stderr


def test_a_key_that_is_not_accepted_is_not_asked_for_again(programs, tmp_path):
    replica = support.Simulator("--api-key", "right")
    programs.append(replica)
    missing = sluice("bench", replica.url, "--requests", "1")
    assert "--api-key-file" in missing.stderr
    (tmp_path / "key").write_text("wrong")
    wrong = sluice("bench", replica.url, "--requests", "1", "--api-key-file", str(tmp_path / "key"))
    assert wrong.returncode == 1
    assert "not accepted" in wrong.stderr


def test_a_negative_number_is_a_value_and_not_a_missing_one():
    for arguments in (("serve", "--workers", "-1", "--replica", "http://127.0.0.1:1"),
                      ("bench", "http://127.0.0.1:1", "--rate", "-5"),
                      ("demo", "--replicas", "-1")):
        done = sluice(*arguments)
        assert done.returncode in (2, 64)
        assert "llowed: " in done.stderr, done.stderr


def test_doctor_has_no_flags_of_listeners():
    told = sluice("doctor", "--help").stdout
    assert "--replica " in told and "--ca-file" in told
    for flag in ("--listen", "--admin", "--workers", "--access-log", "--tls-cert"):
        assert flag not in told


def test_what_may_be_given_once_is_refused_twice():
    done = sluice("serve", "--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2", "--replica",
                  "http://127.0.0.1:9")
    assert done.returncode == 64
    assert "--listen is given 2 times: '127.0.0.1:1', '127.0.0.1:2'" in done.stderr


def test_an_objective_below_nothing_is_no_duration():
    done = sluice("serve", "--ttft-slo", "-1s", "--replica", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "is not a duration" in done.stderr


def test_an_endpoint_that_is_no_url_is_a_wrong_command_line():
    done = sluice("bench", "foo")
    assert done.returncode == 64
    assert "write http://HOST:PORT" in done.stderr


def test_two_names_of_one_server_are_warned_of(tmp_path):
    config = tmp_path / "sluice.yaml"
    config.write_text("pools:\n  - name: a\n    replicas:\n"
                      "      - http://localhost:8101\n      - http://127.0.0.1:8101\n")
    done = sluice("check", config)
    assert done.returncode == 0
    assert ("warning: http://localhost:8101 and http://127.0.0.1:8101 are probably one server"
            in done.stdout)


def test_models_that_nobody_has_told_are_a_503(programs):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gateway = support.gateway_for(f"http://127.0.0.1:{closed.getsockname()[1]}")
        programs.append(gateway)
        answer = support.get(gateway.url + "/v1/models")
        assert answer.status == 503
        assert answer.json()["error"]["code"] == "no_replica"
        assert answer.headers["x-sluice-reason"] == "no_replica"
        assert answer.headers["retry-after"]


def test_models_stay_known_when_their_replicas_are_gone(programs):
    replica = support.Simulator()
    gateway = support.gateway_for(replica.url)
    programs.append(gateway)
    before = support.get(gateway.url + "/v1/models")
    replica.stop()
    support.until(lambda: support.replicas(gateway.admin)[0]["state"] == "dead", what="its death")
    after = support.get(gateway.url + "/v1/models")
    assert after.status == 200 and after.json() == before.json()


def test_bodies_and_paths_that_go_astray_are_told_what_they_are(fleet):
    chat = fleet.url + "/v1/chat/completions"
    for body, said in ((b"", "The body is empty"), (b'{"model":null}', "'model' is null")):
        answer = support.get(chat, body, {"content-type": "application/json"})
        assert answer.status == 400 and said in answer.text, answer.text
    answer = support.post(fleet.url + "/replicas/a/cordon", {})
    assert answer.status == 404 and "a page of the admin listener" in answer.text


def test_a_drain_ends_with_what_became_of_it(programs):
    replica = support.Simulator()
    gateway = support.gateway_for(replica.url)
    programs.append(replica)
    answer = support.post(gateway.url + "/v1/chat/completions", support.chat_body())
    assert answer.status == 200
    gateway.stop()
    assert re.search(r"drained in \d+\.\d s; requests ended: 0, cut: 0", gateway.output())


def test_doctor_tells_what_it_knows_before_it_ends(programs):
    replica = support.Simulator()
    programs.append(replica)
    with subprocess.Popen([support.SLUICE, "doctor", "--replica", replica.url], text=True,
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as doctor:
        assert doctor.stdout.readline().startswith(replica.url)
        assert "health" in doctor.stdout.readline()
        # It watches an idle connection for seconds yet.
        assert doctor.poll() is None
        doctor.communicate(timeout=support.PATIENCE)
