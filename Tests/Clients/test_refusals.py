"""What the gateway itself refuses: each says what is wrong and what to do."""

import gzip
import json

import pytest

import support

pytestmark = pytest.mark.simulated


def message(answer):
    return answer.json()["error"]["message"]


def test_a_base_url_without_its_v1_is_told(fleet):
    answer = support.post(fleet.url + "/chat/completions", support.chat_body())
    assert answer.status == 404
    assert answer.headers["x-sluice-reason"] == "unknown_route"
    assert "no route POST `/chat/completions`" in message(answer)
    assert "ends in /v1" in message(answer)


def test_a_path_in_a_refusal_is_bounded_and_escaped(fleet):
    answer = support.get(fleet.url + '/a"b<script>%0d' + "x" * 3_000)
    assert answer.status == 404 and len(answer.body) < 500
    assert '/a"b<script>' in message(answer)


def test_a_compressed_body_is_415_and_named(fleet):
    body = gzip.compress(json.dumps(support.chat_body()).encode())
    answer = support.post(fleet.url + "/v1/chat/completions", body, {"content-encoding": "gzip"})
    assert answer.status == 415
    assert answer.headers["x-sluice-reason"] == "unsupported_media_type"
    assert "`gzip`" in message(answer)
    answer = support.post(fleet.url + "/v1/chat/completions", support.chat_body(),
                          {"content-encoding": "identity"})
    assert answer.status == 200


def test_an_access_log_that_cannot_be_written_is_told_once(programs):
    replica = support.Simulator()
    programs.append(replica)
    gateway = support.gateway_for(replica.url, flags=["--access-log", "/dev/full"])
    programs.append(gateway)
    for _ in range(3):
        assert support.post(gateway.url + "/v1/chat/completions",
                            support.chat_body()).status == 200
        dropped = "sluice_log_lines_dropped_total"
        support.until(lambda: support.samples(gateway.admin + "/metrics", dropped).get("", 0) > 0,
                      what="a dropped line")
    support.until(lambda: "No space left" in gateway.output(), what="the notice")
    assert gateway.output().count("access log cannot be written") == 1
