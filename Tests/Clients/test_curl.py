"""What somebody sees who tries the gateway with curl."""

import json
import subprocess
import time

import support


def curl(*arguments):
    return subprocess.run(["curl", "-sS", "-m", "60", *arguments], capture_output=True, text=True,
                          check=True).stdout


def printed_at(fleet, tokens):
    """Seconds at which curl printed each event of a stream that ends as it should."""
    command = ["curl", "-sSN", "-m", "60", "-H", "Content-Type: application/json", "-d",
               json.dumps(support.chat_body(stream=True, tokens=tokens)),
               fleet.url + "/v1/chat/completions"]
    began = time.monotonic()
    at = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        last = ""
        for line in process.stdout:
            if line.startswith("data:"):
                at.append(time.monotonic() - began)
                last = line
        assert process.wait() == 0
    assert last == "data: [DONE]\n"
    return at


def test_events_are_printed_as_they_come(fleet):
    # Held back by a buffer they would come at the end, or in a few bursts, every time. On a
    # busy machine vLLM itself merges events, or hands out all in one burst, now and then.
    seen = []
    for _ in range(5):
        at = printed_at(fleet, 40 if fleet.simulated else 200)
        if fleet.simulated:
            assert len(at) >= 40
        bursts = 1 + sum(1 for a, b in zip(at, at[1:]) if b - a > 0.001)
        seen.append((len(at), bursts, at[0], at[-1]))
        if at[0] < at[-1] / 2 and bursts >= 5:
            return
    raise AssertionError(f"(events, bursts, first, last): {seen}")


def test_an_event_stream_is_marked_so_that_nobody_buffers_it(fleet):
    head = curl("-i", "-N", "-H", "Content-Type: application/json", "-d",
                json.dumps(support.chat_body(stream=True, tokens=2)),
                fleet.url + "/v1/chat/completions").partition("\n\n")[0].lower()
    assert "content-type: text/event-stream" in head
    assert "x-accel-buffering: no" in head
    assert "cache-control: no-cache" in head


def test_health_on_the_data_port_is_an_empty_200(fleet):
    assert curl("-w", "%{http_code}", fleet.url + "/health") == "200"


def test_an_unknown_path_is_a_404_in_the_shape_of_openai(fleet):
    answer = support.get(fleet.url + "/v1/no-such-thing")
    assert answer.status == 404
    assert answer.json()["error"]["message"]


def test_admin_pages_and_replica_metrics_are_not_on_the_data_port(fleet):
    for path in ("/replicas", "/config", "/metrics", "/v1/load_lora_adapter"):
        assert support.get(fleet.url + path).status in (404, 405), path


def test_a_large_upload_with_expect_continue_is_served(fleet, tmp_path):
    # curl asks `Expect: 100-continue` above 1 MB; ten spaces of padding per word.
    body = support.chat_body(tokens=1, metadata={"padding": " " * 1_500_000})
    path = tmp_path / "body.json"
    path.write_text(json.dumps(body))
    status = curl("-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json",
                  "-d", f"@{path}", fleet.url + "/v1/chat/completions")
    assert status == "200"
