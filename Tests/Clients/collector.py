"""A collector of traces, and replicas that keep what they were sent."""

import contextlib
import json
import time

from google.protobuf import unknown_fields
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from serving import WHOLE_ANSWER, Handler


class Collector(Handler):
    """Takes spans, or answers what `server.answers` has first."""

    def do_POST(self):
        body = self.body()
        seen = (self.path, dict(self.headers.items()), time.monotonic())
        if self.server.answers:
            status, fields = self.server.answers.pop(0)
            self.server.refused.append(seen)
            self.answer(b"", status, **fields)
            return
        request = trace_service_pb2.ExportTraceServiceRequest()
        request.ParseFromString(body)
        assert len(unknown_fields.UnknownFieldSet(request)) == 0
        self.server.requests.append((seen, request))
        self.answer(trace_service_pb2.ExportTraceServiceResponse().SerializeToString(),
                    content_type="application/x-protobuf")


class Replica(Handler):
    """A replica with known delays, in seconds, that keeps the heads it was sent."""

    def do_GET(self):
        pages = {"/v1/models": b'{"object":"list","data":[{"id":"tiny","object":"model"}]}'}
        self.answer(pages.get(self.path, b"{}"))

    def do_POST(self):
        asked = json.loads(self.body())
        fleet = self.server.fleet
        fleet["heads"].append(self.headers)
        if fleet["refusals"] > 0:
            fleet["refusals"] -= 1
            time.sleep(0.06)
            self.answer(b'{"error":{}}', 503)
        elif asked.get("stream"):
            self.stream()
        else:
            time.sleep(0.12)
            self.answer(WHOLE_ANSWER, content_type="application/json")

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            for delay, text in ((0.1, "a"), (0.08, "b")):
                time.sleep(delay)
                self.event({"choices": [{"index": 0, "delta": {"content": text}}]})
            self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})
            self.piece(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")

    def event(self, value):
        self.piece(b"data: " + json.dumps(value).encode() + b"\n\n")

    def piece(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
