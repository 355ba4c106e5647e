"""An operator reloads a file with an error in it, while clients are served."""

import json
import re
import signal

import support
import tls_front
from fleet import rest, total
from load import Load, Report

ASKED = {"x-sluice-admin": "1"}
TORN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def broken_files(fleet):
    """What is wrong → (the text, a part of the line to blame, the key).

    Where there is no such part, it is the last line.
    """
    def text(top=None, **pool):
        settings = json.loads(fleet.file.read_text())
        settings.update(top or {})
        settings["pools"][0].update(pool)
        return json.dumps(settings, indent=1)

    tls_front.authority(fleet.tmp_path)
    _, key = tls_front.certificate(fleet.tmp_path, "gateway")
    torn = fleet.tmp_path / "torn.pem"
    torn.write_text(TORN)
    tls = {"tls": {"cert_file": str(torn), "key_file": str(key)}}
    return {
        "syntax": (text().replace("[", "[[", 1), None, "not valid YAML"),
        "an unknown key": (text(replica_inflight_maks=3), "maks", "pools[0].replica_inflight_maks"),
        "a bad certificate": (text(top=tls), "cert_file", "tls.cert_file"),
        "no replica": (text(replicas=[]), "  {", "pools[0]"),
    }


def line_of(text, part):
    """The number of the line with this part, or of the last one."""
    lines = text.splitlines()
    return next((n for n, line in enumerate(lines, 1) if part and part in line), len(lines))


def reloads(fleet, result):
    return total(fleet.metrics(), "sluice_config_reloads_total", result=result)


def successful(fleet):
    return total(fleet.metrics(), "sluice_config_last_reload_successful")


def hang_up(fleet):
    """SIGHUP to a file with an error; returns what the log says about it."""
    said, failed = len(fleet.gateway.lines), reloads(fleet, "failed")
    fleet.gateway.process.send_signal(signal.SIGHUP)
    support.until(lambda: reloads(fleet, "failed") == failed + 1, what="a reload that failed")
    return support.until(lambda: re.search(
        r"reload failed.*?nothing has changed", "".join(fleet.gateway.lines[said:]), re.DOTALL),
        what="a word in the log about it").group(0)


def ask(fleet):
    """`POST /reload` of a file with an error; returns the answer's text."""
    answer = support.post(fleet.gateway.admin + "/reload", b"", ASKED)
    assert answer.status == 409, answer.text
    return answer.text


def test_row_24_reload_of_an_invalid_file(fleet, figures):
    """Refused as a whole, with file, line and key, in log and answer; no client notices any of it."""
    fleet = fleet()
    valid, files = fleet.file.read_text(), broken_files(fleet)
    page = support.get(fleet.gateway.admin + "/config").text
    assert successful(fleet) == 1
    misplaced, changed, unmarked = [], [], []
    with Load(fleet.url) as load:
        load.wait_for_streams()
        for wrong, (text, part, key) in files.items():
            fleet.file.write_text(text)
            place = f"{fleet.file}:{line_of(text, part)}:"
            for way in hang_up, ask:
                said = way(fleet)
                if place not in said or key not in said:
                    misplaced.append((wrong, place, key, said))
                if successful(fleet) != 0:
                    unmarked.append(wrong)
                if support.get(fleet.gateway.admin + "/config").text != page:
                    changed.append(wrong)
                rest(0.3)
        failed = reloads(fleet, "failed")
        fleet.file.write_text(valid)
        answer = support.post(fleet.gateway.admin + "/reload", b"", ASKED)
        rest(0.5)
        assert (answer.status, successful(fleet)) == (200, 1), answer.text
    report = Report(load.finished)
    figures.note("requests", len(report.calls))
    figures.note("reloads that failed", failed)
    figures.hold("without file, line and key", len(misplaced), 0)
    figures.hold("not to be seen in the metric", len(unmarked), 0)
    figures.hold("that changed the configuration", len(changed), 0)
    figures.hold("lost", report.not_served, 0)
    figures.hold("refused connections", len(load.refused_connections), 0)
    figures.hold("wrong answers", report.mixed_up + report.raw, 0)
    assert failed == 2 * len(files) and not misplaced, misplaced
    assert support.replicas(fleet.gateway.admin)[2]["state"] == "ready"
    fleet.check_and_stop()  # it has never exited
