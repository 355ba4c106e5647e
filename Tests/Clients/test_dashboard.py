"""The live page in a real browser, and `sluice top` on a terminal: the same facts."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import threading

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import support
import terminal

pytestmark = pytest.mark.simulated

OBJECTIVE = "500ms"


@pytest.fixture(scope="module")
def browser():
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs chromium and its driver (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--window-size=1360,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def gateway(programs):
    replicas = [support.Simulator() for _ in range(2)]
    programs.extend(replicas)
    made = support.gateway_for(
        *(replica.url for replica in replicas),
        flags=["--ttft-slo", OBJECTIVE, "--access-log", "off"])
    programs.append(made)
    made.replicas = replicas
    return made


def ask(gateway, count=4):
    for _ in range(count):
        answer = support.post(gateway.url + "/v1/chat/completions", {
            "model": support.MODEL, "stream": True, "max_tokens": 8,
            "messages": [{"role": "user", "content": "hello"}]})
        assert answer.status == 200


def text(browser, selector):
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent).join(' | ')",
        selector)


def shows(browser, selector, pattern):
    def holds():
        return re.search(pattern, text(browser, selector))
    return support.until(holds, what=f"{selector} showing {pattern!r}, last "
                         f"{text(browser, selector)!r}")


def complaints(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_the_page_shows_load_replicas_and_decisions(browser, gateway):
    browser.get(gateway.admin + "/dashboard")
    shows(browser, "#freshness", "^live$")
    shows(browser, "#health", "^ready$")
    ask(gateway)
    shows(browser, "#charts .legend", r"p99 [\d.]+ ms")
    shows(browser, "#tiles", r"100 %within 500 ms")
    shows(browser, "#objectives", r"≤ 500 ms.*100\.00 %")
    shows(browser, "#decisions", "admitted|dispatched")
    rows = text(browser, "#replicas tr")
    assert len(re.findall(r"127\.0\.0\.1:\d+ready", rows)) == 2, rows
    assert browser.execute_script("return document.querySelectorAll('#charts path').length") >= 10
    assert complaints(browser) == []


def test_the_time_in_queues_is_ours_and_the_engines_stacked(browser, programs, tmp_path):
    # Two requests at an engine that works on one: four clients wait in both queues.
    replica = support.Simulator("--max-num-seqs", "1")
    programs.append(replica)
    config = tmp_path / "sluice.yaml"
    config.write_text("access_log: off\npools:\n  - name: slow\n    replica_inflight_max: 2\n"
                      f"    replicas: ['{replica.url}']\n")
    gateway = support.gateway_for(flags=["--config", config])
    programs.append(gateway)
    browser.get(gateway.admin + "/dashboard")
    screen = terminal.Screen(130, 45, "top", "--admin", gateway.admin)
    shown = threading.Event()

    def keep_asking():
        while not shown.is_set():
            ask(gateway, 1)

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(keep_asking) for _ in range(4)]
        try:
            # The first means are of few requests.
            support.until(lambda: is_stacked(browser), what="the engines' part on ours")
            screen.until(lambda frame: any(
                re.match(r"  of it in the engines +[\d.]+ .?s", line) for line in frame), "top")
        finally:
            shown.set()
            screen.end()
    for one in asking:
        one.result()
    assert complaints(browser) == []


def is_stacked(browser):
    """Whether the engines' area is higher than the gateway's by what the legend says, about."""
    heights = browser.execute_script(
        "return [...document.querySelectorAll('#charts path.area')].map(e => e.getBBox().height)")
    words = re.findall(r"mean (?:here|in the engines) ([\d.]+) (µs|ms|s)",
                       text(browser, "#charts .legend"))
    if len(heights) < 2 or len(words) < 2:
        return False
    here, engines = (float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]
                     for number, unit in words)
    high, low = heights
    return min(here, engines) > 0.01 and abs(high / low / (1 + engines / here) - 1) < 0.15


def test_a_dead_replica_comes_first_and_is_called_a_problem(browser, gateway):
    browser.get(gateway.admin + "/dashboard")
    shows(browser, "#freshness", "^live$")
    gateway.replicas[1].stop()
    shows(browser, "#problems", r"dead \(connect_refused\)")
    shows(browser, "#health", "with problems")
    assert "dead" in text(browser, "#replicas tr:nth-child(2)")
    shows(browser, "#diagnosis summary", r"the replica does not answer.*certain")
    browser.execute_script("document.querySelector('#diagnosis summary').click()")
    # What a reader has opened stays open when the page is drawn anew.
    shows(browser, "#freshness", "^live$")
    shows(browser, "#diagnosis details[open] ol", "kubectl")
    assert complaints(browser) == []


def test_it_says_that_nothing_comes_and_that_the_gateway_was_restarted(browser, programs):
    replica = support.Simulator()
    programs.append(replica)
    first = support.gateway_for(replica.url, flags=["--access-log", "off"])
    port = first.admin.rsplit(":", 1)[1]
    browser.get(first.admin + "/dashboard")
    shows(browser, "#freshness", "^live$")
    first.kill()
    shows(browser, "#freshness", r"no data for \d+ s: this is from \d\d:\d\d:\d\d")
    assert browser.execute_script("return document.body.classList.contains('stale')")
    programs.append(support.Gateway(
        "--listen", "127.0.0.1:0", "--admin", f"127.0.0.1:{port}", "--replica", replica.url,
        "--access-log", "off"))
    shows(browser, "#freshness", r"live, restarted \d\d:\d\d:\d\d")
    assert not browser.execute_script("return document.body.classList.contains('stale')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1360])
def test_it_fits_a_phone_and_a_desk_in_both_schemes(browser, gateway, scheme, width):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    try:
        browser.get(gateway.admin + "/dashboard")
        shows(browser, "#freshness", "^live$")
        shows(browser, "#replicas", "127.0.0.1")
        # Tables scroll within their boxes; the page itself never sideways.
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        lightness = sum(int(part) for part in re.findall(r"\d+", paper)[:3]) / 3
        assert (lightness < 100) == (scheme == "dark"), paper
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("columns, rows", [(80, 24), (130, 45)])
def test_top_shows_the_same_in_a_terminal(gateway, columns, rows):
    screen = terminal.Screen(columns, rows, "top", "--admin", gateway.admin)
    try:
        screen.until(lambda frame: any(line.endswith("  ready") for line in frame[:1]), "ready")
        ask(gateway)
        frame = screen.until(
            lambda frame: any(re.match(r"first token or none p99\s+[\d.]+ ms", line) for line in frame)
            and frame, "a first token")
        assert len(frame) <= rows
        assert max(map(len, frame)) <= columns
        shown = "\n".join(frame)
        assert re.search(r"within 500 ms +100\.0 %", shown), shown
        assert len(re.findall(r"^127\.0\.0\.1:\d+ +ready", shown, re.M)) == 2, shown
        # A narrow table leaves columns out, and no head is cut.
        head = next(line for line in frame if line.startswith("replica"))
        assert head.split()[-1] == "KV" if columns < 91 else "failed" in head.split(), head
        if rows >= 42:
            screen.until(lambda frame: any(re.match(
                r"objective ttft +good in 5 min 100\.00 % of [\d.]+ %, burn 0\.0", line)
                for line in frame), "an objective")
            screen.until(lambda frame: any(re.match(
                r" +[\d.]+ .?s ago  (admitted|dispatched) .* waited .*, 127\.0\.0\.1:\d+$", line)
                for line in frame), "a decision")
        os.write(screen.master, b"q")
        support.until(lambda: (screen.read(0.1), screen.process.poll() is not None)[1],
                      what="the end")
    finally:
        status, after = screen.end()
    assert status == 0
    assert after == screen.before


def test_top_says_that_nobody_answers_and_comes_back(programs):
    replica = support.Simulator()
    programs.append(replica)
    first = support.gateway_for(replica.url, flags=["--access-log", "off"])
    port = first.admin.rsplit(":", 1)[1]
    screen = terminal.Screen(120, 30, "top", "--admin", first.admin)
    try:
        screen.until(lambda frame: any(line.endswith("  ready") for line in frame[:1]), "ready")
        first.kill()
        screen.until(lambda frame: frame and "no data for" in frame[0]
                     and "nobody listens there" in frame[0], "the silence")
        programs.append(support.Gateway(
            "--listen", "127.0.0.1:0", "--admin", f"127.0.0.1:{port}", "--replica", replica.url,
            "--access-log", "off"))
        screen.until(lambda frame: frame and "restarted ×1" in frame[0], "the restart")
    finally:
        status, _ = screen.end()
    assert status == 0


def top(*arguments):
    return subprocess.run([support.SLUICE, "top", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=support.PATIENCE)


def test_top_prints_lines_where_output_is_no_terminal(gateway):
    run = top("--admin", gateway.admin, "--duration", "3s")
    assert run.returncode == 0, run.stderr
    assert "2 of 2 replicas ready" in run.stdout
    run = top("--admin", "http://127.0.0.1:1", "--duration", "1s")
    assert run.returncode == 1
    assert "nobody listens there" in run.stderr and "--admin" in run.stderr
