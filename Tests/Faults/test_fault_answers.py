"""Replicas that connect and then answer late, never, in part, or with something else."""

import itertools
import signal
import time

import scripted
import support
from fleet import rest
from lengths import Lengths
from load import TOKENS, Load, Report
from scripted import STREAM_HEAD, chunk


def others_first_byte(fleet, calls, victim, q=0.99):
    """Quantile of the time to the first byte of the streams that other replicas served."""
    log = fleet.log_lines(calls)
    return Report(c for c in calls if log[c.id]["replica"] != victim.name).first_byte(q)


def test_row_3_accepts_and_never_answers(fleet, figures):
    """504 within first_content + 100 ms, slot freed, no effect on the others' p99."""
    limit = 1.5
    fleet = fleet(timeouts={"first_content": "1500ms"}, first_token_ms=200)
    victim = fleet.replicas[0]
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(2)
        began = time.monotonic()
        victim.faults(hang=True)
        suspected = fleet.seconds_until_state(victim, "busy", "ejected", "wedged", since=began)
        rest(3)
        healed = time.monotonic()
        victim.heal()
    heard = load.undisturbed(until="head_at")
    before = [c for c in heard if c.began < began - 0.1]
    during = [c for c in heard if began <= c.began < healed]
    report = Report(load.undisturbed())
    late = [c for c in load.finished if c.verdict == "504"]
    assert late
    figures.note("504", len(late))
    figures.hold("wrong statuses", report.wrong_statuses - report["504"], 0)
    figures.hold("lost", report["lost"] + report["cut"] + report["gone_wrong"], 0)
    figures.hold_slowest("504 after, at most", [c.seconds for c in load.ended_in_time(late)],
                         limit + 0.1, load)
    figures.note("suspected after", suspected, " s")
    figures.hold("others' p99 of the first byte", others_first_byte(fleet, during, victim) * 1000,
                 others_first_byte(fleet, before, victim) * 1.2 * 1000, " ms",
                 load.error(0.99) * 1000)
    fleet.check_and_stop()


def test_row_4_hangs_in_mid_stream(fleet, figures):
    """Streams cut, without an end, within stream_idle + 100 ms; slots leaked 0."""
    limit = 1.0
    fleet = fleet(timeouts={"stream_idle": "1s"})
    victim = fleet.replicas[0]
    with Load(fleet.url) as load:
        load.wait_for_streams()
        victim.faults(hang_after_events=5)
        rest(4)
        victim.heal()
    report = Report(load.undisturbed())
    cut = [c for c in load.finished if c.verdict == "cut"]
    assert cut
    silent = [c.ended - c.event_at for c in load.ended_in_time(cut, since="event_at")]
    figures.note("streams cut", len(cut))
    figures.hold_slowest("cut after, at most", silent, limit + 0.1, load)
    figures.hold("cut too early", sum(
        s < limit - load.error() - 0.01 for s in silent), 0)
    figures.hold("wrongly completed", Report(load.finished)["gone_wrong"], 0)
    figures.hold("wrong statuses", report.wrong_statuses, 0)
    figures.hold("lost", report["lost"], 0)
    fleet.check_and_stop()  # slots leaked 0


def test_row_5_resets_before_the_head(fleet, figures, upstream):
    """Each POST reaches one replica only: 502 for what was sent; duplicates 0."""
    resetting = upstream(scripted.Upstream(scripted.reset))
    fleet = fleet(simulated=2, upstreams=[resetting.url])
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(4)
    report = Report(load.finished)
    received = set(resetting.received)
    failed = {c.id for c in report.calls if c.verdict == "502"}
    served = {c.id for c in report.calls if c.verdict == "ok"}
    assert received, "nothing was sent to the resetting replica"
    figures.note("requests reset", len(received))
    figures.hold("duplicates", len(resetting.received) - len(received)
                 + len(received & served), 0)
    figures.hold("502 for what was not sent", len(failed - received), 0)
    figures.hold("other wrong statuses", report.wrong_statuses - len(failed), 0)
    figures.hold("lost", report["lost"] + report["cut"] + report["gone_wrong"], 0)
    fleet.check_and_stop()


def test_row_6_resets_in_mid_stream(fleet, figures):
    """Clients see a cut, never a well-ended answer: wrongly completed 0."""
    fleet = fleet()
    with Load(fleet.url) as load:
        load.wait_for_streams()
        fleet.replicas[0].faults(reset_after_events=5)
        rest(4)
        fleet.replicas[0].heal()
    report = Report(load.finished)
    assert report["cut"] > 0
    figures.note("streams cut", report["cut"])
    figures.hold("wrongly completed", report["gone_wrong"], 0)
    figures.hold("wrong statuses", report.wrong_statuses, 0)
    figures.hold("lost", report["lost"], 0)
    fleet.check_and_stop()


def test_row_7_garbage_and_oversized_heads(fleet, figures):
    """502, the connection dropped; crashes 0; bytes passed raw 0."""
    fleet = fleet()
    with Load(fleet.url) as load:
        load.wait_for_streams()
        fleet.replicas[0].faults(garbage=True)
        fleet.replicas[1].faults(head_bytes=100_000)
        rest(4)
        for replica in fleet.replicas:
            replica.heal()
    report = Report(load.finished)
    assert report["502"] > 0
    figures.note("502", report["502"])
    figures.hold("bytes passed raw", report.raw, 0)
    figures.hold("wrong statuses other than 502", report.wrong_statuses - report["502"], 0)
    figures.hold("lost", report["lost"] + report["cut"] + report["gone_wrong"], 0)
    fleet.check_and_stop()  # crashes 0


def test_row_8_slow_drip(fleet, figures, upstream):
    """Byte by byte passes inside the limits, a head so slow ends in 504, no end in a cut."""
    limit, idle, total, bytes_each, pause = 2.0, 4.5, 6.0, 5, 0.3
    event = (b'data: {"id":"chatcmpl-%s-x","object":"chat.completion.chunk","choices":'
             b'[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n')
    kinds = itertools.cycle(("whole", "no head", "no end of events", "no end of an event"))
    kind_of = {}

    def drip(connection, identity):
        kind = kind_of[identity] = next(kinds)
        if kind == "no head":
            for index in range(60):
                time.sleep(pause)
                connection.sendall(STREAM_HEAD[index:index + 1])
            return False
        one = event % identity
        if kind == "no end of events":  # each in time
            connection.sendall(STREAM_HEAD)
            while True:
                connection.sendall(chunk(one))
                time.sleep(pause)
        if kind == "no end of an event":  # the second
            connection.sendall(STREAM_HEAD + chunk(one))
            while True:
                connection.sendall(b"1\r\nd\r\n")
                time.sleep(pause)
        body = one * (TOKENS + 1) + b'data: {"finish_reason":"length"}\n\ndata: [DONE]\n\n'
        connection.sendall(STREAM_HEAD + b"%x\r\n" % len(body) + one)
        rest_of_it = body[len(one):]
        for index in range(bytes_each):
            time.sleep(pause)
            connection.sendall(rest_of_it[index:index + 1])
        connection.sendall(rest_of_it[bytes_each:] + b"\r\n0\r\n\r\n")
        return True

    dripping = upstream(scripted.Upstream(drip))
    fleet = fleet(simulated=2, upstreams=[dripping.url],
                  timeouts={"first_content": f"{limit}s", "stream_idle": f"{idle}s",
                            "stream_total": f"{total}s"})
    with Load(fleet.url) as load:
        load.wait_for_streams()
        rest(1)
        before = fleet.resident()
        rest(8)
        grown = fleet.resident() - before
    log = fleet.log_lines(load.finished)
    ends = {"whole": ("ok", None), "no head": ("504", "timeout_first_content"),
            "no end of events": ("cut", "timeout_total"),
            "no end of an event": ("cut", "timeout_idle")}
    dripped = {kind: [c for c in load.finished if c.stream and kind_of.get(c.id) == kind]
               for kind in ends}
    for kind, calls in dripped.items():
        assert calls, f"no answer of the kind: {kind}"
        figures.note(kind, len(calls))
        other = [(c.verdict, log[c.id]) for c in calls
                 if (c.verdict, log[c.id].get("reason")) != ends[kind]]
        figures.hold(f"{kind}, but another end", len(other), 0)
        if other:
            print(f"{kind}, but another end:", *other, sep="\n")
    figures.hold_slowest("504 after, at most", [
        c.seconds for c in load.ended_in_time(dripped["no head"])],
        limit + 0.1, load)
    figures.hold_slowest("events without end, cut after", [
        c.ended - c.head_at for c in load.ended_in_time(
            dripped["no end of events"], since="head_at")],
        total + 0.1, load)
    figures.hold_slowest("an event without end, cut after", [
        c.ended - c.head_at for c in load.ended_in_time(
            dripped["no end of an event"], since="head_at")],
        idle + 0.1, load)
    figures.hold("memory grown", grown / 2**20, 8.0, " MiB")
    fleet.check_and_stop()


def test_row_34_a_stopped_replica_answers_late(fleet, figures):
    """SIGSTOP, SIGCONT: late answers never go to another request: mixed up 0."""
    fleet = fleet(timeouts={"first_content": "2s", "stream_idle": "2s"})
    victim = fleet.replicas[0]
    with Load(fleet.url) as load:
        load.wait_for_streams()
        stopped = time.monotonic()
        victim.signal(signal.SIGSTOP)
        suspected = fleet.seconds_until_state(victim, "busy", "ejected", "wedged", since=stopped)
        rest(4)
        victim.signal(signal.SIGCONT)
        continued = time.monotonic()
        rest(3)
    report = Report(load.undisturbed())
    settled = Report(c for c in load.undisturbed() if c.began > continued + 0.5)
    cut = [c for c in load.finished if c.verdict == "cut"]
    assert cut
    figures.note("streams cut", len(cut))
    figures.hold("mixed up", Report(load.finished).mixed_up, 0)
    figures.hold("wrongly completed", Report(load.finished)["gone_wrong"], 0)
    figures.hold("wrong statuses other than 504", report.wrong_statuses - report["504"], 0)
    figures.note("routed around after", suspected, " s")
    figures.hold_slowest("cut after, at most", [
        c.ended - max(c.event_at, c.head_at) for c in load.ended_in_time(cut)],
        2.1, load)
    figures.hold("lost after SIGCONT", settled.not_served, 0)
    fleet.check_and_stop()


def slow_down(fleet, victim, seconds):
    """Makes a replica ten times slower; from when to when that counts, and its share meanwhile."""
    victim.faults(slow=10)
    rest(2)
    moved, dispatched = time.monotonic(), dispatches(fleet)
    rest(seconds)
    share, ended = share_of(fleet, victim, dispatched), time.monotonic()
    victim.heal()
    return (moved, ended), share


def hold_moved_away(figures, fleet, load, victim, usual, slow, share):
    """Nothing lost, little of it at the slow one, and the others' p99 + <= 20 % of the usual."""
    heard = load.undisturbed(until="head_at")
    p99 = {name: others_first_byte(fleet, [c for c in heard if begin <= c.began < end], victim)
           for name, (begin, end) in {"usual": usual, "slow": slow}.items()}
    figures.hold("lost or wrong", Report(load.finished).not_served, 0)
    figures.hold("its share of new work", share * 100, 20.0, " %")
    figures.note("others' usual p99", p99["usual"] * 1000, " ms")
    figures.hold("others' p99 of the first byte", p99["slow"] * 1000, p99["usual"] * 1.2 * 1000,
                 " ms", load.error(0.99) * 1000)


def test_row_16_one_replica_10_times_slower(fleet, figures):
    """Traffic moves away; p99 of the rest + <= 20 %."""
    fleet = fleet(first_token_ms=200)
    victim = fleet.replicas[0]
    with Load(fleet.url) as load:
        load.wait_for_streams()
        begun = time.monotonic()
        rest(3)
        usual = begun, time.monotonic()
        figures.note("its share before", share_of(fleet, victim) * 100, " %")
        slow, share = slow_down(fleet, victim, 4)
    hold_moved_away(figures, fleet, load, victim, usual, slow, share)
    fleet.check_and_stop()


def test_row_16_one_replica_10_times_slower_and_lengths_of_all_kinds(fleet, figures):
    """The same with prompts and answers as they are: as if the slow one were not there.

    More work makes an engine's steps longer, so that the others are compared with what they are
    where they have all of it: + <= 20 %.
    """
    # Three times slower than life: no step is late for want of a processor.
    fleet = fleet(engine=["--max-num-seqs", "256", "--speed", "0.3"])
    victim = fleet.replicas[0]
    with Load(fleet.url, prompts=Lengths(30, 1.0, 1), answers=Lengths(20, 0.8, 2)) as load:
        load.wait_for_streams()
        order(fleet, victim, "cordon")
        rest(4)
        alone = time.monotonic()
        rest(6)
        usual = alone, time.monotonic()
        order(fleet, victim, "uncordon")
        dispatched = dispatches(fleet)
        rest(6)
        figures.note("its share before", share_of(fleet, victim, dispatched) * 100, " %")
        slow, share = slow_down(fleet, victim, 6)
    hold_moved_away(figures, fleet, load, victim, usual, slow, share)
    fleet.check_and_stop()


def order(fleet, replica, what):
    """Cordons a replica, or ends that."""
    answer = support.post(f"{fleet.gateway.admin}/replicas/{replica.name}/{what}", {},
                          {"x-sluice-admin": "1"})
    assert answer.status == 200, answer.text


def dispatches(fleet):
    """Requests sent so far to each replica."""
    return {replica.name: fleet.row(replica)["dispatched"] for replica in fleet.replicas}


def share_of(fleet, replica, since=None):
    now = dispatches(fleet)
    counts = {name: count - (since or {}).get(name, 0) for name, count in now.items()}
    return counts[replica.name] / max(1, sum(counts.values()))
