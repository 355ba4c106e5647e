"""`sluice simulate` as an operator uses it: answers, pictures, recordings, clear errors."""

import json
import subprocess
import xml.dom.minidom

import pytest

import support
import terminal

pytestmark = pytest.mark.simulated

QUICK = ["--duration", "20s", "--warm-up", "10s"]


def simulate(*arguments):
    return subprocess.run([support.SLUICE, "simulate", *map(str, arguments)], capture_output=True,
                          text=True, timeout=support.PATIENCE, stdin=subprocess.DEVNULL,
                          check=False)


def answer(*arguments):
    done = simulate(*arguments, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_help_shows_examples_and_every_group():
    text = simulate("--help").stdout
    for word in ("EXAMPLES", "--lose 1", "--trace", "--fit", "--scenario", "--policy"):
        assert word in text


def test_two_loads_are_two_lines_and_a_picture(tmp_path):
    picture = tmp_path / "loads.svg"
    done = simulate("--load", "0.5x,3x", *QUICK, "--width", "90", "--svg", picture)
    assert done.returncode == 0, done.stderr
    assert "sluice 0.5x" in done.stdout
    assert "sluice 3x" in done.stdout
    assert "Goodput" in done.stdout
    assert "overload" in done.stdout
    svg = xml.dom.minidom.parse(str(picture)).documentElement
    assert svg.tagName == "svg"
    assert picture.stat().st_size < 30_000


@pytest.mark.parametrize("columns, parts", [(80, 2), (200, 1)])
def test_a_table_too_wide_for_the_terminal_is_two(columns, parts):
    mix = ("--class-mix", "critical=50,batch=50")
    screen = terminal.Screen(columns, 100, "simulate", "--load", "4x", *mix, *QUICK)
    try:
        screen.until(lambda _: screen.process.poll() is not None, "the end")
        screen.until(lambda _: "in SLO: of those let in" in screen.text, "the table")
    finally:
        screen.end()
    lines = terminal.ESCAPE.sub("", screen.text).replace("\r\n", "\n").split("\n")
    # What the progress line said is written over.
    lines = [line.rsplit("\r")[-1] for line in lines]
    assert max(map(len, lines)) <= columns, lines
    assert sum(line.startswith("sluice 4x") for line in lines) == parts, lines
    assert any("offered/s" in line for line in lines) and any("TPOT" in line for line in lines)


def test_the_same_seed_gives_the_same_answer_and_another_a_different_one():
    first = simulate("--load", "2x", *QUICK, "--json").stdout
    assert simulate("--load", "2x", *QUICK, "--json").stdout == first
    assert simulate("--load", "2x", *QUICK, "--json", "--seed", "2").stdout != first


def test_a_replica_fewer_does_less():
    whole = answer("--load", "2x")["rows"][0]
    less = answer("--load", "2x", "--lose", "1")["rows"][0]
    assert 0.6 * whole["goodput"] < less["goodput"] < 0.9 * whole["goodput"]
    slow = answer("--load", "2x", "--slow", "1:3")["rows"][0]
    assert less["goodput"] < slow["goodput"] < whole["goodput"]


def test_policies_are_compared_on_the_same_arrivals():
    rows = answer("--load", "3x", "--policy", "sluice,round-robin")["rows"]
    assert [row["policy"] for row in rows] == ["sluice", "round-robin"]
    assert rows[0]["offered_per_second"] == rows[1]["offered_per_second"]
    assert rows[0]["goodput"] > rows[1]["goodput"]
    for row in rows:
        whole = row["all"]
        assert whole["offered"] == (whole["served"] + sum(whole["refused"].values())
                                    + whole["abandoned"] + whole["cut"])


def test_classes_and_replicas_come_from_the_configuration(tmp_path):
    path = tmp_path / "sluice.yaml"
    path.write_text("""
classes:
  - {name: chat, ttft_slo: 1s}
  - {name: night, ttft_slo: 20s}
default_class: chat
pools:
  - name: one
    models: [m]
    replicas: [http://127.0.0.1:8000, http://127.0.0.1:8001]
""")
    told = answer("--config", path, "--load", "2x", "--class-mix", "chat=1,night=1")
    assert told["replicas"] == 2
    assert [one["name"] for one in told["rows"][0]["classes"]] == ["chat", "night"]
    chat, night = told["rows"][0]["classes"]
    assert chat["in_slo_of_offered"] > night["in_slo_of_offered"]
    done = simulate("--config", path, "--load", "2x", "--class-mix", "chat=1,day=1")
    assert "no class day, but chat, night" in done.stderr


@pytest.mark.parametrize("arguments, said", [
    ([], "--load"),
    (["--load", "2"], '--load: "2" is not allowed'),
    (["--load", "2x", "--lose", "4"], "--lose: 4 of 4 replicas are too many: at most 3"),
    (["--load", "2x", "--slow", "1:0.1"], '--slow: "1:0.1" is not allowed'),
    (["--load", "2x", "--replicas", "0"], "--replicas: 0 is not allowed: 1 … 256"),
    (["--load", "2x", "--ttft-slo", "2"], '--ttft-slo: "2" is not allowed'),
    (["--load", "2x", "--prompt", "0"], '--prompt: "0" is not allowed'),
    (["--load", "2x", "--kv-tokens", "200"], "--kv-tokens: 200 is too little"),
    (["--load", "2x", "--fit", "1:100,64:9000"], "--fit: "),
    (["--load", "2x", "--policy", "robin"], "--policy is one of: sluice"),
    (["--load", "2x", "--scenario", "T3"], "--scenario"),
    (["--trace", "/no/such/file"], "--trace: /no/such/file cannot be read"),
    (["--trace", "/dev/null"], "--trace /dev/null: "),
    (["--trace", "/dev/null", "--load", "5/s"], "--load 5/s: a --trace has a rate of its own"),
    (["--load", "2x", "--svg", "/no/such/dir/p.svg", *QUICK], "--svg: /no/such/dir/p.svg"),
])
def test_a_wrong_value_is_named_with_its_flag(arguments, said):
    done = simulate(*arguments)
    assert done.returncode != 0
    assert said in done.stderr


def test_what_the_gateway_wrote_down_is_replayed(programs, tmp_path):
    simulator = support.Simulator()
    programs.append(simulator)
    trace = tmp_path / "arrivals.csv"
    gateway = support.gateway_for(simulator.url, flags=["--arrival-trace", trace])
    programs.append(gateway)
    for number in range(6):
        body = support.chat_body(stream=number % 2 == 0, tokens=5 + number)
        assert support.post(gateway.url + "/v1/chat/completions", body,
                            headers={"x-request-id": "hidden"}).status == 200
    support.until(lambda: trace.exists() and trace.read_text().count("\n") == 8,
                  what="six lines and a head")
    text = trace.read_text()
    assert "hidden" not in text
    assert "127.0.0.1" not in text
    told = json.loads(simulate("--trace", trace, "--load", "2x", "--json").stdout)
    assert told["rows"][0]["all"]["offered"] == 6
    assert told["rows"][0]["all"]["served"] == 6
    assert any("6 requests" in note for note in told["notes"])


def test_a_metrics_page_of_a_replica_fits_the_model(programs, tmp_path):
    simulator = support.Simulator()
    programs.append(simulator)
    for _ in range(3):
        support.post(simulator.url + "/v1/chat/completions",
                     support.chat_body(stream=True, tokens=20))
    page = tmp_path / "page.txt"
    page.write_text(support.get(simulator.url + "/metrics").text)
    told = answer("--fit", page, "--load", "1x")
    assert any("tokens/s with" in note for note in told["notes"])
