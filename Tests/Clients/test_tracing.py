"""Traces as a collector gets them: what the gateway sends is read by OpenTelemetry's own classes."""

import json
import re
import socket
import time

import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

import support
from collector import Collector, Replica
from serving import serving

pytestmark = pytest.mark.simulated

PAGE = (support.ROOT / "docs/tracing.md").read_text()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
KINDS = {trace_pb2.Span.SPAN_KIND_SERVER: "server", trace_pb2.Span.SPAN_KIND_CLIENT: "client",
         trace_pb2.Span.SPAN_KIND_INTERNAL: "internal"}
# How far a time may be from the script's, in seconds, and how much later on a machine that others use.
TOLERANCE = 0.005
SLACK = 0.25


@pytest.fixture
def collector():
    with serving(Collector, requests=[], refused=[], answers=[]) as server:
        yield server


@pytest.fixture
def replicas():
    """Two replicas that share what they have seen and who refuses."""
    fleet = {"heads": [], "refusals": 0}
    with serving(Replica, fleet=fleet) as one, serving(Replica, fleet=fleet) as other:
        yield one, other


@pytest.fixture
def gateway(programs, collector, replicas):
    started = support.gateway_for(replicas[0].url, replicas[1].url,
                                  flags=["--otlp-endpoint", collector.url, "--workers", "1"])
    programs.append(started)
    return started


def spans_of(collector):
    return [span for _, request in list(collector.requests) for resource in request.resource_spans
            for scope in resource.scope_spans for span in scope.spans]


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attributes(span):
    found = {one.key: value(one.value) for one in span.attributes}
    assert len(found) == len(span.attributes), "a key is there twice"
    assert not {key for key in found if f"`{key}`" not in PAGE}, "not in docs/tracing.md"
    return found


class Trace:
    """The spans of one request: the root, and the others by name."""

    def __init__(self, spans):
        roots = [span for span in spans if span.kind == trace_pb2.Span.SPAN_KIND_SERVER]
        assert len(roots) == 1
        self.root = roots[0]
        self.parts = [span for span in spans if span is not self.root]
        self.attributes = attributes(self.root)
        self.id = self.root.trace_id.hex()
        assert len({span.span_id for span in spans}) == len(spans)
        for span in spans:
            assert (len(span.trace_id), len(span.span_id)) == (16, 8)
            assert span.trace_id == self.root.trace_id
            assert span.start_time_unix_nano <= span.end_time_unix_nano
            assert span.flags & 1 == 1
        for span in self.parts:
            assert span.parent_span_id == self.root.span_id
            assert self.root.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= self.root.end_time_unix_nano

    def names(self):
        return [span.name for span in self.parts]

    def part(self, name):
        found = [span for span in self.parts if span.name == name]
        assert len(found) == 1, f"{name} in {self.names()}"
        return found[0]


def seconds(span):
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


def traces_of(collector, gateway, count=1):
    """The traces of a gateway, oldest first. Ends it: what waits is sent then, and not a second later."""
    gateway.stop()
    by_id = {}
    for span in spans_of(collector):
        by_id.setdefault(span.trace_id, []).append(span)
    assert len(by_id) == count
    return sorted((Trace(spans) for spans in by_id.values()),
                  key=lambda trace: trace.root.start_time_unix_nano)


def log_of(gateway, count=1):
    def lines():
        found = [json.loads(line) for line in list(gateway.lines) if line.startswith('{"v":1')]
        return len(found) >= count and sorted(found, key=lambda line: line["time"])

    return support.until(lines, what="log lines")


def chat(gateway, headers=None, **more):
    return support.post(gateway.url + "/v1/chat/completions", support.chat_body(**more), headers)


def near(found, expected):
    return expected - TOLERANCE <= found <= expected + SLACK


def test_a_stream_is_a_trace_with_the_times_of_script_log_and_replica(gateway, collector, replicas):
    before = time.time()
    assert chat(gateway, stream=True).status == 200
    after = time.time()
    trace = traces_of(collector, gateway)[0]
    assert trace.root.name == "chat tiny"
    assert trace.root.parent_span_id == b""
    assert trace.names() == ["receive", "queue", "connect", "engine", "stream"]
    assert [KINDS[span.kind] for span in trace.parts] == [
        "internal", "internal", "client", "client", "internal"]
    # One after the other, without a gap between.
    for one, other in zip(trace.parts, trace.parts[1:]):
        assert abs(other.start_time_unix_nano - one.end_time_unix_nano) < 1_000
    assert before - TOLERANCE <= trace.root.start_time_unix_nano / 1e9
    assert trace.root.end_time_unix_nano / 1e9 <= after + TOLERANCE
    assert near(seconds(trace.part("engine")), 0.1)
    assert near(seconds(trace.part("stream")), 0.08)
    # The log's line tells the same.
    line = log_of(gateway)[0]
    assert line["trace_id"] == trace.id
    for name, field in (("queue", "queue_ms"), ("connect", "connect_ms"), ("engine", "engine_ms"),
                        ("receive", "receive_ms")):
        assert abs(seconds(trace.part(name)) * 1_000 - line[field]) < 0.01, name
    received = trace.part("receive").end_time_unix_nano
    assert abs((trace.root.end_time_unix_nano - received) / 1e6 - line["duration_ms"]) < 0.01
    first, = trace.root.events
    assert first.name == "first_token"
    assert abs((first.time_unix_nano - received) / 1e6 - line["ttft_ms"]) < 0.01
    assert trace.attributes["gen_ai.latency.time_to_first_token"] * 1_000 == pytest.approx(
        line["ttft_ms"], abs=0.01)
    # The replica was told the span that has its name.
    head, = replicas[0].fleet["heads"]
    engine = trace.part("engine")
    assert head["traceparent"] == f"00-{trace.id}-{engine.span_id.hex()}-01"
    assert attributes(engine)["sluice.upstream_request_id"] == head["x-request-id"]
    assert f"{attributes(engine)['server.address']}:{attributes(engine)['server.port']}" == (
        head["host"])


def test_what_a_trace_says(gateway, collector):
    answer = chat(gateway, tokens=9)
    trace = traces_of(collector, gateway)[0]
    line = log_of(gateway)[0]
    assert trace.names() == ["receive", "queue", "connect", "engine"]
    assert near(seconds(trace.part("engine")), 0.12)
    assert abs(seconds(trace.part("engine")) * 1_000 - line["engine_ms"]) < 0.01
    said = trace.attributes
    assert near(said.pop("gen_ai.latency.e2e"), 0.12)
    assert 0 <= said.pop("gen_ai.latency.time_in_queue") < SLACK
    assert said == {
        "http.request.method": "POST", "url.path": "/v1/chat/completions", "url.scheme": "http",
        "http.route": "/v1/chat/completions", "http.response.status_code": 200,
        "http.request.body.size": line["bytes_in"], "client.address": "127.0.0.1",
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "tiny", "gen_ai.request.max_tokens": 9,
        "gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "sluice.request_id": answer.headers["x-request-id"], "sluice.class": "standard",
        "sluice.stream": False, "sluice.outcome": "ok", "sluice.replica": line["replica"]}
    (path, fields, _), request = collector.requests[0]
    assert path == "/v1/traces"
    assert fields["content-type"] == "application/x-protobuf"
    resource = {one.key: value(one.value) for one in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "sluice"
    assert resource["host.name"] == socket.gethostname()
    assert resource["process.pid"] == gateway.process.pid
    assert resource["service.version"] and resource["service.instance.id"]
    assert request.resource_spans[0].scope_spans[0].scope.name == "sluice"
    assert "Say something" not in str(request)


def test_a_callers_trace_is_continued(gateway, collector, replicas):
    chat(gateway, {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "a=1,b=2"})
    trace = traces_of(collector, gateway)[0]
    assert trace.id == TRACE
    assert trace.root.parent_span_id.hex() == CALLER
    assert trace.root.flags & 0x300 == 0x300
    head, = replicas[0].fleet["heads"]
    assert head.get_all("traceparent") == [
        f"00-{TRACE}-{trace.part('engine').span_id.hex()}-01"]
    assert head.get_all("tracestate") == ["a=1,b=2"]
    assert log_of(gateway)[0]["trace_id"] == TRACE


def test_a_caller_that_records_nothing_is_followed(gateway, collector, replicas):
    chat(gateway, {"traceparent": f"00-{TRACE}-{CALLER}-00", "tracestate": "a=1"})
    chat(gateway)
    trace = traces_of(collector, gateway)[0]
    assert trace.id != TRACE
    head = replicas[0].fleet["heads"][0]
    assert head.get_all("traceparent") == [f"00-{TRACE}-{CALLER}-00"]
    assert head.get_all("tracestate") == ["a=1"]


MALFORMED = [
    [f"00-{TRACE}-{CALLER}"], [f"00-{TRACE.upper()}-{CALLER}-01"], [f"00-{'0' * 32}-{CALLER}-01"],
    [f"00-{TRACE}-{'0' * 16}-01"], [f"ff-{TRACE}-{CALLER}-01"], ["nonsense"],
    [f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-01"]]


def test_a_malformed_parent_begins_a_new_trace(gateway, collector, replicas):
    body = json.dumps(support.chat_body()).encode()
    for parents in MALFORMED:
        lines = "".join(f"traceparent: {parent}\r\n" for parent in parents)
        with support.connect(gateway.url) as client:
            client.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{lines}"
                            f"tracestate: a=1\r\nconnection: close\r\n"
                            f"content-length: {len(body)}\r\n\r\n").encode() + body)
            while client.recv(65_536):
                pass
    traces = traces_of(collector, gateway, len(MALFORMED))
    heads = replicas[0].fleet["heads"]
    for trace, head, line in zip(traces, heads, log_of(gateway, len(MALFORMED)), strict=True):
        assert trace.id != TRACE
        assert trace.root.parent_span_id == b""
        assert head.get_all("traceparent") == [
            f"00-{trace.id}-{trace.part('engine').span_id.hex()}-01"]
        assert head.get_all("tracestate") is None
        assert line["trace_id"] == trace.id


def test_a_refused_attempt_and_the_one_that_was_served(gateway, collector, replicas):
    replicas[0].fleet["refusals"] = 1
    assert chat(gateway, stream=True).status == 200
    trace = traces_of(collector, gateway)[0]
    assert trace.names() == [
        "receive", "queue", "connect", "engine", "connect", "engine", "stream"]
    refused, served = [span for span in trace.parts if span.name == "engine"]
    assert refused.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert served.status.code == trace_pb2.Status.STATUS_CODE_UNSET
    assert attributes(refused)["error.type"] == "503"
    assert attributes(refused)["http.response.status_code"] == 503
    assert attributes(served)["http.request.resend_count"] == 1
    assert attributes(refused)["server.port"] != attributes(served)["server.port"]
    assert near(seconds(refused), 0.06)
    assert near(seconds(served), 0.1)
    # Each attempt told its replica a span of its own.
    assert [head["traceparent"].split("-")[2] for head in replicas[0].fleet["heads"]] == [
        refused.span_id.hex(), served.span_id.hex()]
    assert trace.root.status.code == trace_pb2.Status.STATUS_CODE_UNSET
    assert trace.attributes["sluice.retries"] == 1
    assert trace.attributes["sluice.replica"] == log_of(gateway)[0]["replica"]


def test_refusals_of_the_gateway(gateway, collector):
    bad = support.post(gateway.url + "/v1/chat/completions", b'{"model":3}')
    assert bad.status == 400
    assert support.post(gateway.url + "/v1/nothing", {}).status == 404
    unread, unknown = traces_of(collector, gateway, 2)
    assert (unread.root.name, unread.names()) == ("chat", ["receive"])
    assert unread.attributes["sluice.outcome"] == "client_error"
    assert unread.attributes["http.response.status_code"] == 400
    assert "gen_ai.request.model" not in unread.attributes
    assert (unknown.root.name, unknown.attributes["sluice.reason"]) == ("POST", "unknown_route")
    for trace in (unread, unknown):
        assert trace.root.status.code == trace_pb2.Status.STATUS_CODE_UNSET
        assert "error.type" not in trace.attributes


def test_a_client_that_leaves(gateway, collector):
    with support.send(gateway.url + "/v1/chat/completions",
                      support.chat_body(stream=True)) as connection:
        seen = b""
        while b'"a"' not in seen:
            seen += connection.recv(65_536)
    log_of(gateway)
    trace = traces_of(collector, gateway)[0]
    assert trace.names() == ["receive", "queue", "connect", "engine", "stream"]
    assert trace.attributes["sluice.outcome"] == "client_gone"
    assert trace.attributes["http.response.status_code"] == 499
    assert [event.name for event in trace.root.events] == ["first_token", "client_gone"]
    assert not any(span.status.code for span in [trace.root, *trace.parts])


def test_no_replica_is_an_error_of_ours(programs, collector):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gateway = support.gateway_for(
            f"http://127.0.0.1:{nobody.getsockname()[1]}",
            flags=["--model", "tiny", "--otlp-endpoint", collector.url])
        programs.append(gateway)
        answer = chat(gateway)
    assert answer.status >= 500
    trace = traces_of(collector, gateway)[0]
    assert trace.root.status.code == trace_pb2.Status.STATUS_CODE_ERROR
    assert trace.attributes["error.type"] == answer.headers["x-sluice-reason"]


def test_health_of_load_balancers_is_no_trace(gateway, collector):
    for _ in range(3):
        assert support.get(gateway.url + "/health").status == 200
    assert support.get(gateway.url + "/v1/models").status == 200
    trace = traces_of(collector, gateway)[0]
    assert trace.root.name == "GET /v1/models"


def metric(gateway, name, labels=""):
    found = support.samples(gateway.admin + "/metrics", name)
    return sum(number for key, number in found.items() if labels in key)


def test_a_collector_that_is_busy_is_asked_again(gateway, collector):
    collector.answers[:] = [(429, {"Retry-After": "2"})]
    chat(gateway)
    exported = "sluice_trace_spans_exported_total"
    support.until(lambda: metric(gateway, exported), what="exported spans")
    assert collector.requests[0][0][2] - collector.refused[0][2] >= 2
    assert metric(gateway, exported) == len(spans_of(collector)) == 5
    assert metric(gateway, "sluice_trace_exports_total", "failed") == 1
    assert metric(gateway, "sluice_trace_exports_total", "ok") == 1
    assert metric(gateway, "sluice_trace_spans_dropped_total") == 0


def test_a_collector_that_refuses_costs_spans_and_nothing_else(gateway, collector):
    collector.answers[:] = [(400, {})]
    chat(gateway)
    support.until(lambda: metric(gateway, "sluice_trace_spans_dropped_total", "refused") == 5)
    chat(gateway)
    traces_of(collector, gateway)
    warned = [line for line in gateway.lines if "cannot be delivered" in line]
    assert len(warned) == 1 and "HTTP 400" in warned[0]


def test_what_is_left_is_sent_at_the_end(gateway, collector):
    chat(gateway)
    began = time.monotonic()
    assert traces_of(collector, gateway)[0].attributes["sluice.outcome"] == "ok"
    assert time.monotonic() - began < 2


def test_a_collector_that_is_dead_holds_up_nobodys_exit(programs, replicas):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        gateway = support.gateway_for(
            replicas[0].url,
            flags=["--otlp-endpoint", f"http://127.0.0.1:{deaf.getsockname()[1]}"])
        programs.append(gateway)
        assert chat(gateway).status == 200
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("ratio, forwarded", [("0", "00"), ("1", "01")])
def test_the_ratio_decides_for_those_who_say_nothing(
        programs, collector, replicas, tmp_path, ratio, forwarded):
    headers = tmp_path / "headers"
    headers.write_text("# key\nauthorization: Bearer secret\n")
    path = tmp_path / "sluice.yaml"
    path.write_text(json.dumps({  # JSON is YAML
        "listen": "127.0.0.1:0", "admin": "127.0.0.1:0",
        "tracing": {"endpoint": collector.url + "/custom/v1", "sample_ratio": float(ratio),
                    "service_name": "front door", "headers_file": str(headers)},
        "pools": [{"name": "p", "replicas": [replicas[0].url]}]}))
    gateway = support.Gateway("--config", path)
    programs.append(gateway)
    support.until(lambda: support.get(gateway.admin + "/readyz").status == 200)
    chat(gateway)
    # A caller that records decides for itself.
    chat(gateway, {"traceparent": f"00-{TRACE}-{CALLER}-01"})
    traces = traces_of(collector, gateway, 1 + int(ratio))
    assert traces[-1].id == TRACE
    heads = replicas[0].fleet["heads"]
    assert re.fullmatch(rf"00-[0-9a-f]{{32}}-[0-9a-f]{{16}}-{forwarded}", heads[0]["traceparent"])
    assert ("trace_id" in log_of(gateway, 2)[0]) == (ratio == "1")
    (where, fields, _), request = collector.requests[0]
    assert (where, fields["authorization"]) == ("/custom/v1", "Bearer secret")
    resource = {one.key: value(one.value) for one in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "front door"


def test_without_tracing_contexts_pass_through_as_they_are(programs, replicas):
    gateway = support.gateway_for(replicas[0].url)
    programs.append(gateway)
    chat(gateway, {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "a=1"})
    chat(gateway, {"traceparent": "nonsense", "tracestate": "a=1"})
    chat(gateway)
    heads = replicas[0].fleet["heads"]
    assert [(head["traceparent"], head["tracestate"]) for head in heads] == [
        (f"00-{TRACE}-{CALLER}-01", "a=1"), ("nonsense", "a=1"), (None, None)]
    assert support.samples(gateway.admin + "/metrics", "sluice_trace_queue_spans") == {}
    assert [line.get("trace_id") for line in log_of(gateway, 3)] == [TRACE, None, None]
