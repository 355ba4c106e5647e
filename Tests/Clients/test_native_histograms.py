"""Native histograms: decoded by Google's implementation, and stored by a real Prometheus."""

import math
import urllib.parse

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

import support
from prometheus import ask, prometheus

pytestmark = pytest.mark.simulated

ACCEPT = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
          "encoding=delimited,text/plain;q=0.5")
NATIVE = ["sluice_time_to_first_token_seconds", "sluice_first_token_wait_seconds",
          "sluice_request_duration_seconds", "sluice_inter_token_latency_seconds",
          "sluice_time_per_output_token_seconds"]

# io/prometheus/client/metrics.proto of prometheus/client_model, as far as pages go: name, number,
# type (of another message where it begins with a capital) and whether it repeats.
MESSAGES = {
    "LabelPair": [("name", 1, "string"), ("value", 2, "string")],
    "Gauge": [("value", 1, "double")],
    "Counter": [("value", 1, "double")],
    "Timestamp": [("seconds", 1, "int64"), ("nanos", 2, "int32")],
    "Exemplar": [("label", 1, "LabelPair*"), ("value", 2, "double"),
                 ("timestamp", 3, "Timestamp")],
    "Bucket": [("cumulative_count", 1, "uint64"), ("upper_bound", 2, "double"),
               ("exemplar", 3, "Exemplar")],
    "BucketSpan": [("offset", 1, "sint32"), ("length", 2, "uint32")],
    "Histogram": [
        ("sample_count", 1, "uint64"), ("sample_sum", 2, "double"), ("bucket", 3, "Bucket*"),
        ("schema", 5, "sint32"), ("zero_threshold", 6, "double"), ("zero_count", 7, "uint64"),
        ("positive_span", 12, "BucketSpan*"), ("positive_delta", 13, "sint64*")],
    "Metric": [("label", 1, "LabelPair*"), ("gauge", 2, "Gauge"), ("counter", 3, "Counter"),
               ("histogram", 7, "Histogram")],
    "MetricFamily": [("name", 1, "string"), ("help", 2, "string"), ("type", 3, "int32"),
                     ("metric", 4, "Metric*"), ("unit", 5, "string")],
}
COUNTER, GAUGE, HISTOGRAM = 0, 1, 4


def family_class():
    file = descriptor_pb2.FileDescriptorProto(
        name="metrics.proto", package="io.prometheus.client", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for key, number, kind in fields:
            row = message.field.add(name=key, number=number)
            row.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind[0].isupper():
                row.type, row.type_name = field.TYPE_MESSAGE, f".io.prometheus.client.{kind}"
            else:
                row.type = getattr(field, f"TYPE_{kind.upper()}")
            if key == "positive_delta":
                row.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("io.prometheus.client.MetricFamily"))


FAMILY = family_class()


def unknown(message):
    """Whether a message, or one in it, has a field that the format does not."""
    if len(UnknownFieldSet(message)):
        return True
    for descriptor, value in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            rows = value if not hasattr(value, "ListFields") else [value]
            if any(unknown(row) for row in rows):
                return True
    return False


def varint(body, place):
    """A number, and where what follows begins."""
    number = shift = 0
    while True:
        byte = body[place]
        number, shift, place = number | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return number, place


def families(body):
    found, place = {}, 0
    while place < len(body):
        size, place = varint(body, place)
        family = FAMILY()
        family.ParseFromString(body[place:place + size])
        assert not unknown(family), family.name
        place += size
        assert family.name not in found
        found[family.name] = family
    return found


def native_buckets(histogram):
    """Index → observations."""
    buckets, index, count, deltas = {}, 0, 0, list(histogram.positive_delta)
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            count += deltas.pop(0)
            buckets[index] = count
            index += 1
    assert not deltas
    return buckets


@pytest.fixture
def gateway(programs):
    replicas = [support.Simulator() for _ in range(2)]
    gateway = support.gateway_for(
        *(replica.url for replica in replicas), flags=["--access-log", "off"])
    programs += [*replicas, gateway]
    return gateway


def stream(gateway, count):
    for _ in range(count):
        answer = support.post(gateway.url + "/v1/chat/completions", {
            "model": support.MODEL, "stream": True, "max_tokens": 8,
            "messages": [{"role": "user", "content": "hello"}]},
            headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
        assert answer.status == 200


def test_every_family_can_be_decoded_and_says_what_the_text_says(gateway):
    stream(gateway, 10)
    # A client has the whole answer a moment before its request is counted.
    support.until(lambda: sum(support.samples(
        gateway.admin + "/metrics", "sluice_requests_total").values()) == 10, what="ten requests")
    page = support.get(gateway.admin + "/metrics", headers={"Accept": ACCEPT})
    assert page.headers["Content-Type"].startswith("application/vnd.google.protobuf")
    found = families(page.body)
    text = support.get(gateway.admin + "/metrics").text
    named = {line.split()[2]: line.split()[3] for line in text.splitlines()
             if line.startswith("# TYPE")}
    kinds = {COUNTER: "counter", GAUGE: "gauge", HISTOGRAM: "histogram"}
    assert {name: kinds[family.type] for name, family in found.items()} == named
    finished = found["sluice_requests_total"].metric
    assert sum(row.counter.value for row in finished) == 10
    labels = {pair.name: pair.value for pair in finished[0].label}
    assert labels["outcome"] == "ok" and labels["model_name"] == support.MODEL

    for name in NATIVE:
        for row in found[name].metric:
            histogram = row.histogram
            assert histogram.schema == 3
            buckets = native_buckets(histogram)
            assert sum(buckets.values()) + histogram.zero_count == histogram.sample_count
            assert histogram.bucket[-1].upper_bound == math.inf
            assert histogram.bucket[-1].cumulative_count == histogram.sample_count
            # Each classic bucket has what the native ones wholly below it have, or more.
            for bucket in histogram.bucket[:-1]:
                below = sum(count for index, count in buckets.items()
                            if 2 ** (index / 8) <= bucket.upper_bound)
                above = sum(count for index, count in buckets.items()
                            if 2 ** ((index - 1) / 8) >= bucket.upper_bound)
                assert below + histogram.zero_count <= bucket.cumulative_count
                assert bucket.cumulative_count <= histogram.sample_count - above
            mean = histogram.sample_sum / histogram.sample_count
            assert min(buckets) <= 8 * math.log2(mean) + 1 and 8 * math.log2(mean) <= max(buckets)
    # What is not a time that users wait for has classic buckets only.
    assert not found["sluice_request_body_bytes"].metric[0].histogram.positive_span
    first = found["sluice_time_to_first_token_seconds"].metric[0].histogram
    exemplars = [bucket.exemplar for bucket in first.bucket if bucket.HasField("exemplar")]
    assert exemplars and exemplars[0].label[0].value == "ab" * 16


def test_a_prometheus_stores_them_and_finds_quantiles(gateway, tmp_path):
    stream(gateway, 3)
    jobs = {"sluice": [urllib.parse.urlsplit(gateway.admin).netloc]}
    with prometheus(tmp_path, jobs, "--enable-feature=native-histograms") as url:
        for name in NATIVE:
            # A native histogram is one series without a suffix.
            support.until(lambda name=name: ask(url, f"histogram_count(sum({name}))"), 30, name)
        for _ in range(4):
            stream(gateway, 5)
        first = "sluice_time_to_first_token_seconds"
        support.until(lambda: ask(url, f"histogram_count(sum({first}))") == [23.0], 20, "all of them")
        query = f"histogram_quantile(0.9, sum(rate({first}[1m])))"
        support.until(lambda: [value for value in ask(url, query) or [] if value > 0], 20, query)
        value = ask(url, query)[0]
        # Within the classic buckets that any request fell into.
        page = families(support.get(gateway.admin + "/metrics", headers={"Accept": ACCEPT}).body)
        buckets = page[first].metric[0].histogram.bucket
        below = max((bucket.upper_bound for bucket in buckets if not bucket.cumulative_count),
                    default=0)
        above = min(bucket.upper_bound for bucket in buckets if bucket.cumulative_count == 23)
        assert below <= value <= above
