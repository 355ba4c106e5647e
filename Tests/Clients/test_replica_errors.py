"""What a replica refuses reaches the client as the replica said it, byte for byte."""

import pytest

import support

CHAT = support.chat_body()


@pytest.mark.parametrize("path, body, status", [
    ("/v1/chat/completions", {**CHAT, "temperature": -1}, 400),
    ("/v1/chat/completions", {**CHAT, "temperature": "warm"}, 400),
    ("/v1/chat/completions", {**CHAT, "max_tokens": 99_999}, 400),
    ("/v1/completions", {"model": support.MODEL, "prompt": "a", "max_tokens": 0}, 400),
    ("/v1/responses", {"model": support.MODEL}, 400),
])
def test_a_refusal_is_passed_on_as_it_is(fleet, path, body, status):
    own = support.post(fleet.replicas[0] + path, body)
    passed = support.post(fleet.url + path, body)
    assert own.status == passed.status == status
    assert passed.headers["content-type"] == own.headers["content-type"]
    assert passed.body == own.body


def test_embeddings_of_a_model_that_has_none_are_the_replicas_404(fleet):
    """Only a real replica has such a model: the tiny one generates text, so vLLM has no route."""
    body = {"model": support.MODEL, "input": "a"}
    own = support.post(fleet.replicas[0] + "/v1/embeddings", body)
    passed = support.post(fleet.url + "/v1/embeddings", body)
    assert own.status == (200 if fleet.simulated else 404)
    assert (passed.status, passed.headers["content-type"]) == (
        own.status, own.headers["content-type"])
    if not fleet.simulated:
        assert passed.body == own.body
