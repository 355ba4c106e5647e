"""The configuration is read again while requests run: SIGHUP and `POST /reload`."""

import concurrent.futures
import contextlib
import os
import pathlib
import signal
import threading

import pytest

import support

pytestmark = pytest.mark.simulated

ASKED = {"x-sluice-admin": "1"}


class Fleet:
    """Two simulators, and a gateway whose file names the first of them."""

    def __init__(self, path):
        self.path = path
        self.programs = [support.Simulator("--seed", "1"), support.Simulator("--seed", "2")]
        self.urls = [simulator.url for simulator in self.programs]
        self.write(self.urls[:1])
        self.gateway = support.Gateway("--config", path)
        self.programs.append(self.gateway)
        self.chat = self.gateway.url + "/v1/chat/completions"
        support.until(lambda: support.post(self.chat, support.chat_body()).status == 200,
                      what="the first answer")

    def write(self, replicas, pool="", top=""):
        lines = "".join(f"      - {replica}\n" for replica in replicas)
        self.path.write_text(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\naccess_log: off\nworkers: 1\n" + top
            + f"pools:\n  - name: only\n    scrape_interval: 200ms\n{pool}    replicas:\n{lines}")

    def metric(self, name, labels=""):
        return support.samples(self.gateway.admin + "/metrics", name).get(labels)

    def reloads(self, result):
        return self.metric("sluice_config_reloads_total", f'{{result="{result}"}}')

    def hang_up(self, result="ok"):
        """SIGHUP, and the wait until it has been obeyed: signals that pend become one."""
        before = self.reloads(result)
        self.gateway.process.send_signal(signal.SIGHUP)
        support.until(lambda: self.reloads(result) == before + 1, what=f"reload: {result}")

    def ask_to_reload(self):
        return support.post(self.gateway.admin + "/reload", b"", ASKED)

    def said(self, words):
        support.until(lambda: words in "".join(self.gateway.lines), what=f"the log says {words}")


@pytest.fixture
def fleet(programs, tmp_path):
    made = Fleet(tmp_path / "sluice.yaml")
    programs += made.programs
    return made


@contextlib.contextmanager
def load(fleet, clients):
    """Keeps so many clients asking, half of them for streams; every answer must be whole."""
    stop, answers = threading.Event(), []

    def ask(stream):
        while not stop.is_set():
            answer = support.post(fleet.chat, support.chat_body(stream=stream, tokens=20))
            is_whole = answer.text.endswith("data: [DONE]\n\n") if stream else answer.json()
            answers.append((answer.status, bool(is_whole)))

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(ask, index % 2 == 0) for index in range(clients)]
        try:
            yield answers
        finally:
            stop.set()
        for future in futures:
            future.result()


def test_reloads_under_load_lose_no_request(fleet):
    first, second = fleet.urls
    lists = [[first, second], [second], [first], [f"{{url: '{first}', weight: 3}}", second]]
    descriptors = pathlib.Path(f"/proc/{fleet.gateway.process.pid}/fd")
    with load(fleet, 12) as answers:
        support.until(lambda: len(answers) > 12, what="load")
        for turn in range(50):
            fleet.write(lists[turn % 4])
            fleet.hang_up()
            if turn == 10:
                opened = len(os.listdir(descriptors))
            if turn % 4 == 1:  # Long enough that the second one alone has served some.
                seen = len(answers)
                support.until(lambda: len(answers) > seen + 12, what="answers")
    assert len(answers) > 150
    assert set(answers) == {(200, True)}
    # What differs is connections to replicas, which are kept for seconds: no listener, no timer.
    assert len(os.listdir(descriptors)) <= opened + 30
    assert fleet.reloads("ok") == 50 and fleet.reloads("failed") == 0


def test_replicas_come_go_and_change_weight_at_once(fleet):
    first, second = fleet.urls

    def rows():
        return {row["url"]: row for row in support.replicas(fleet.gateway.admin)}

    fleet.write([f"{{url: '{first}', weight: 2}}", second])
    fleet.hang_up()
    assert rows()[first]["weight"] == 2
    assert rows()[second]["state"] in ("warming", "ready")
    with support.send(fleet.chat, support.chat_body(stream=True, tokens=400)) as stream:
        support.until(lambda: support.in_flight(fleet.gateway.admin) == 1, what="a stream")
        busy = next(url for url, row in rows().items() if row["in_flight"] == 1)
        fleet.write([second if busy == first else first])
        fleet.hang_up()
        # It finishes what it has begun, gets nothing new and is forgotten after that.
        assert rows()[busy]["state"] == "draining"
        received = b""
        while b"data: [DONE]" not in received:
            more = stream.recv(65_536)
            assert more, "the stream was cut"
            received += more
    support.until(lambda: busy not in rows(), what="the drained replica is gone")


def test_an_invalid_file_changes_nothing_and_says_where_it_is_wrong(fleet):
    page = support.get(fleet.gateway.admin + "/config").text
    fleet.write(fleet.urls, pool="    scrape_timeout: 99h\n")
    for answer in (fleet.ask_to_reload(), None):
        if answer is None:
            fleet.hang_up("failed")
        else:
            assert answer.status == 409
            for part in (f"{fleet.path}:8:21", "pools[0].scrape_timeout", "`99h`", "Allowed: ",
                         "nothing has changed"):
                assert part in answer.text, answer.text
        assert fleet.metric("sluice_config_last_reload_successful") == 0
        assert support.get(fleet.gateway.admin + "/config").text == page
        assert support.post(fleet.chat, support.chat_body()).status == 200
        assert len(support.replicas(fleet.gateway.admin)) == 1
    fleet.said(f"{fleet.path}:8:21: error: pools[0].scrape_timeout: `99h`")
    assert fleet.reloads("failed") == 2
    fleet.path.unlink()
    assert fleet.ask_to_reload().status == 409
    assert support.post(fleet.chat, support.chat_body()).status == 200
    fleet.write(fleet.urls)
    assert fleet.ask_to_reload().status == 200
    assert fleet.metric("sluice_config_last_reload_successful") == 1


def test_the_answer_says_what_has_changed_and_what_needs_a_restart(fleet):
    same = fleet.ask_to_reload()
    assert (same.status, same.text) == (200, "configuration reloaded: no key changes\n")
    fleet.write(fleet.urls, pool="    queue_length_max: 7\n    retries: false\n",
                top="timeouts: {connect: 3s}\n")
    done = fleet.ask_to_reload()
    assert done.text == (
        "configuration reloaded: pools[0].replicas, pools[0].queue_length_max; changed, and in "
        "force only after a restart: timeouts.connect, pools[0].retries\n")
    shown = support.get(fleet.gateway.admin + "/config").text
    assert '"queue_length_max": 7' in shown and '"connect": "1s"' in shown
    assert support.post(fleet.gateway.admin + "/reload", b"").status == 403
    assert support.get(fleet.gateway.admin + "/reload").status == 405
