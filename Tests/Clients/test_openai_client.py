"""What users of the official OpenAI client get through the gateway."""

import concurrent.futures

import openai
import pytest

import support

MESSAGES = [{"role": "user", "content": "Say something."}]
# Else a replica may end an answer early, by chance.
FULL_LENGTH = {"ignore_eos": True}


def test_chat_answers_whole(client):
    answer = client.chat.completions.create(
        model=support.MODEL, messages=MESSAGES, max_tokens=8, extra_body=FULL_LENGTH)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


def test_chat_streams_without_the_usage_event_that_was_not_asked_for(client):
    chunks = list(client.chat.completions.create(
        model=support.MODEL, messages=MESSAGES, max_tokens=12, stream=True,
        extra_body=FULL_LENGTH))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == ["length"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


def test_chat_streams_with_usage_when_asked_for(client):
    chunks = list(client.chat.completions.create(
        model=support.MODEL, messages=MESSAGES, max_tokens=12, stream=True,
        stream_options={"include_usage": True}, extra_body=FULL_LENGTH))
    assert not chunks[-1].choices
    assert chunks[-1].usage.completion_tokens == 12


def test_completions_answer_whole_and_stream(client):
    whole = client.completions.create(
        model=support.MODEL, prompt="Once upon a time", max_tokens=8, extra_body=FULL_LENGTH)
    assert whole.usage.completion_tokens == 8
    chunks = list(client.completions.create(
        model=support.MODEL, prompt="Once upon a time", max_tokens=8, stream=True,
        extra_body=FULL_LENGTH))
    assert "".join(chunk.choices[0].text for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"


@pytest.mark.simulated
@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_embeddings_come_in_every_encoding(client, encoding):
    options = {"encoding_format": encoding} if encoding else {}
    answer = client.embeddings.create(model=support.MODEL, input=["one", "two"], **options)
    assert [row.index for row in answer.data] == [0, 1]
    assert all(len(row.embedding) > 0 for row in answer.data)


def test_responses_answer_whole(client):
    answer = client.responses.create(model=support.MODEL, input="Say something.",
                                     max_output_tokens=16)
    assert answer.object == "response"
    assert answer.status in ("completed", "incomplete")
    assert answer.output


def test_responses_stream_ends_with_its_terminal_event(client):
    kinds = [event.type for event in client.responses.create(
        model=support.MODEL, input="Say something.", max_output_tokens=16, stream=True)]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")
    assert any(kind.endswith(".delta") for kind in kinds)


def test_models_are_listed(client):
    assert support.MODEL in [model.id for model in client.models.list()]


def test_an_unknown_model_is_a_404_that_lists_the_known_ones(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)
    error = caught.value
    assert "no-such-model" in error.message
    assert support.MODEL in error.message
    assert error.response.headers["x-request-id"]


def test_a_refused_parameter_is_the_replicas_400(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=support.MODEL, messages=MESSAGES, temperature=-1)
    assert "temperature" in caught.value.message


def test_a_parameter_of_the_wrong_type_is_a_400_that_names_it(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=support.MODEL, messages=MESSAGES, extra_body={"stream": "yes"})
    assert "stream" in caught.value.message


def test_a_body_that_is_no_json_is_a_400_in_the_shape_of_openai(fleet):
    answer = support.post(fleet.url + "/v1/chat/completions", b'{"model": "tiny", ')
    assert answer.status == 400
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)


def test_the_callers_request_id_is_answered(fleet):
    answer = support.post(fleet.url + "/v1/chat/completions", support.chat_body(tokens=1),
                          {"X-Request-Id": "client-test.1"})
    assert answer.status == 200
    assert answer.headers["x-request-id"] == "client-test.1"


def test_many_callers_at_once_are_all_served(fleet):
    def ask(number):
        # Half of them streaming, all over one shared client as in a real service.
        if number % 2:
            return client.chat.completions.create(
                model=support.MODEL, messages=MESSAGES, max_tokens=4,
                extra_body=FULL_LENGTH).usage.completion_tokens
        chunks = list(client.chat.completions.create(
            model=support.MODEL, messages=MESSAGES, max_tokens=4, stream=True,
            stream_options={"include_usage": True}, extra_body=FULL_LENGTH))
        return chunks[-1].usage.completion_tokens

    with fleet.client() as client, concurrent.futures.ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(48))) == [4] * 48
