"""The simulated replica says what a real vLLM says: the same questions to both, byte for byte
but for what differs from one answer to the next (ids, times, the text, counts).

Runs with real replicas only (scripts/test-vllm.sh); asks them directly, not the gateway.
"""

import http.client
import json
import re
import urllib.parse

import pytest

import support

pytestmark = pytest.mark.real

MESSAGES = [{"role": "user", "content": "Say something."}]
CHAT = {"model": support.MODEL, "messages": MESSAGES, "max_tokens": 6, "ignore_eos": True}
COMPLETION = {"model": support.MODEL, "prompt": "Once upon", "max_tokens": 6, "ignore_eos": True}
RESPONSE = {"model": support.MODEL, "input": "Say something.", "max_output_tokens": 16}
USAGE = {"include_usage": True}

# Name → (method, path, body): JSON, or bytes sent as they are.
QUESTIONS = {
    "chat": ("POST", "/v1/chat/completions", CHAT),
    "chat of two choices": ("POST", "/v1/chat/completions", {**CHAT, "n": 2}),
    "completion": ("POST", "/v1/completions", COMPLETION),
    "models": ("GET", "/v1/models", None),
    "version": ("GET", "/version", None),
    "health": ("GET", "/health", None),
    "ping": ("GET", "/ping", None),
    "unknown path": ("GET", "/v1/nothing", None),
    "wrong method": ("GET", "/v1/chat/completions", None),
    "unknown model": ("POST", "/v1/chat/completions", {**CHAT, "model": "other"}),
    "no messages": ("POST", "/v1/chat/completions", {"model": support.MODEL}),
    "temperature out of range": ("POST", "/v1/chat/completions", {**CHAT, "temperature": -1}),
    "max_tokens of zero": ("POST", "/v1/chat/completions", {**CHAT, "max_tokens": 0}),
    "max_tokens over the context": ("POST", "/v1/chat/completions", {**CHAT, "max_tokens": 99_999}),
    "stream of the wrong type": ("POST", "/v1/chat/completions", {**CHAT, "stream": "maybe"}),
    "max_tokens of the wrong type": ("POST", "/v1/chat/completions", {**CHAT, "max_tokens": "a"}),
    "max_tokens with a fraction": ("POST", "/v1/chat/completions", {**CHAT, "max_tokens": 1.5}),
    "temperature of the wrong type": ("POST", "/v1/completions", {**COMPLETION, "temperature": []}),
    "model of the wrong type": ("POST", "/v1/responses", {"model": 5, "input": "a"}),
    "body cut short": ("POST", "/v1/chat/completions", b'{"model": '),
    "empty body": ("POST", "/v1/chat/completions", b""),
    "body that is null": ("POST", "/v1/completions", b"null"),
    "body that is a list": ("POST", "/v1/chat/completions", b"[1]"),
    "body that is a text": ("POST", "/v1/completions", b'"x"'),
    "responses of an unknown model": ("POST", "/v1/responses", {**RESPONSE, "model": "other"}),
    "chat stream": ("POST", "/v1/chat/completions", {**CHAT, "stream": True}),
    "chat stream with usage": ("POST", "/v1/chat/completions",
                               {**CHAT, "stream": True, "stream_options": USAGE}),
    "completion stream": ("POST", "/v1/completions", {**COMPLETION, "stream": True}),
    "completion stream with usage": ("POST", "/v1/completions",
                                     {**COMPLETION, "stream": True, "stream_options": USAGE}),
    "response": ("POST", "/v1/responses", {**RESPONSE, "ignore_eos": True}),
    "response stream": ("POST", "/v1/responses",
                        {**RESPONSE, "ignore_eos": True, "stream": True}),
}

# Members whose value is chance, time or arithmetic over another tokenizer.
VARYING = {
    "id", "item_id", "request_id", "created", "created_at", "text", "content", "delta",
    "prompt_tokens", "total_tokens", "input_tokens", "system_fingerprint", "root",
    "max_model_len", "completed_at",
}


def ask(url, method, path, body):
    """(status, header names in order, content type, body) of one answer."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=support.PATIENCE * 3)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, data,
                           {} if data is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read().decode()
    finally:
        connection.close()


class Members(list):
    """An object's members in the order of the wire."""


def plain(value, name=None):
    """The value with what varies replaced by its kind; the order of members is kept."""
    if isinstance(value, Members):
        return ("object", [(key, plain(member, key)) for key, member in value])
    if isinstance(value, list):
        return [plain(element) for element in value]
    if name in VARYING and value is not None:
        return type(value).__name__
    if name == "message" and isinstance(value, str):
        # Where vLLM is installed, which context length it has.
        value = re.sub(r'File "[^"]*/(dist|site)-packages/', 'File "', value)
        return re.sub(r"(max_model_len=max_total_tokens=)\d+", r"\1N", value)
    return value


def read(text):
    return plain(json.loads(text, object_pairs_hook=Members)) if text else None


def read_events(text):
    """Events of a stream, those that repeat (text, only) once."""
    assert text.endswith("\n\n"), "the last event has no end"
    events = []
    for event in text[:-2].split("\n\n"):
        lines = []
        for line in event.split("\n"):
            field, separator, value = line.partition(": ")
            if field == "data" and value != "[DONE]":
                value = json.loads(value, object_pairs_hook=Members)
                value = plain(Members((k, v) for k, v in value if k != "sequence_number"))
            lines.append((field + separator, value))
        if lines not in events[-1:]:
            events.append(lines)
    return events


@pytest.fixture(scope="module")
def simulator(fleet):
    simulator = support.Simulator("--seed", "5")
    yield simulator
    simulator.stop()


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_simulator_answers_as_vllm_does(fleet, simulator, name):
    real, simulated = (ask(url, *QUESTIONS[name]) for url in (fleet.replicas[0], simulator.url))
    assert simulated[0] == real[0], simulated[2]
    # content-length and date differ; which fields there are, and in which order, does not.
    assert [field for field, _ in simulated[1]] == [field for field, _ in real[1]]
    for field in ("content-type", "server", "allow", "transfer-encoding"):
        assert dict(simulated[1]).get(field) == dict(real[1]).get(field)
    kind = dict(real[1]).get("content-type", "")
    form = read_events if kind.startswith("text/event-stream") else read
    assert form(simulated[2]) == form(real[2]), f"\nsimulated: {simulated[2]}\nreal: {real[2]}"


def families(url):
    """Metric families: name → (type, sets of label names)."""
    found, types = {}, {}
    for line in support.get(url + "/metrics").text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
            found.setdefault((name, kind), set())
        elif line and not line.startswith("#"):
            sample = re.match(r"([^{ ]+)(\{.*\})? ", line)
            name = sample.group(1)
            base = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
            labels = re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', sample.group(2) or "")
            found[(base, types[base])].add(tuple(labels))
    return found


def test_the_simulator_has_every_family_of_vllm_with_its_labels(fleet, simulator):
    for url in (fleet.replicas[0], simulator.url):
        assert ask(url, "POST", "/v1/chat/completions", CHAT)[0] == 200
    real, simulated = families(fleet.replicas[0]), families(simulator.url)
    assert sorted(simulated) == sorted(real)
    assert {key: labels for key, labels in simulated.items() if labels != real[key]} == {}


def test_the_simulator_has_the_bucket_bounds_of_vllm(fleet, simulator):
    def bounds(url):
        found = {}
        for line in support.get(url + "/metrics").text.splitlines():
            bucket = re.match(r'(vllm:\w+)_bucket\{.*le="([^"]+)"', line)
            if bucket:
                found.setdefault(bucket.group(1), set()).add(bucket.group(2))
        return found

    real = bounds(fleet.replicas[0])
    assert real
    # Two families scale with the context length, which the two were started with.
    scaled = [name for name in real if name.endswith("_tokens") or "max_num_gen" in name]
    simulated = bounds(simulator.url)
    for name in real.keys() - set(scaled):
        assert simulated[name] == real[name], name
