"""docs/configuration.md names every key of the schema with its default, and every flag; no others."""

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/configuration.md").read_text()
SCHEMA = json.loads((ROOT / "config/sluice.schema.json").read_text())
SLUICE = os.environ.get("SLUICE_BINARY", str(ROOT / ".build/release/sluice"))


def keys_of(schema, prefix=""):
    """Paths such as `pools[].replicas[].url` with the schema of each."""
    found = {}
    for name, value in schema.get("properties", {}).items():
        found[prefix + name] = value
        found.update(keys_of(value, f"{prefix}{name}."))
        items = value.get("items", {})
        for form in items.get("anyOf", [items]):
            found.update(keys_of(form, f"{prefix}{name}[]."))
    return found


def rows():
    """The rows of the tables of keys: path → (range, default)."""
    found = {}
    for line in PAGE.splitlines():
        match = re.match(r"\| `([a-z0-9_.\[\]]+)` \| (.+?) \| (.+?) \| .+ \|$", line)
        if match:
            assert match[1] not in found, f"{match[1]} is there twice"
            found[match[1]] = (match[2], match[3])
    return found


KEYS = keys_of(SCHEMA)
ROWS = rows()


def number(text):
    count, unit = re.fullmatch(r"([\d.,]+)(KiB|MiB|GiB|TiB)?", text).groups()
    scale = 1024 ** ["KiB", "MiB", "GiB", "TiB"].index(unit) * 1024 if unit else 1
    return float(count.replace(",", "")) * scale


def test_every_key_is_on_the_page_and_no_other():
    # Tables of keys have four columns; that of flags has three.
    assert set(ROWS) == set(KEYS)


@pytest.mark.parametrize("key", sorted(KEYS))
def test_the_default_is_that_of_the_schema(key):
    default = KEYS[key].get("default")
    if default is None:
        assert not ROWS[key][1].startswith("`") or ROWS[key][1].startswith("`/metrics`")
    else:
        text = re.fullmatch(r"`(.*)`", ROWS[key][1])[1]
        assert text == default or json.loads(text) == default


def bounds(schema):
    """Smallest and largest value; durations and lists have none in the schema."""
    for form in schema.get("anyOf", [schema]):
        if "minimum" in form:
            return form["minimum"], form["maximum"]
    return None


@pytest.mark.parametrize("key", sorted(key for key, value in KEYS.items() if bounds(value)))
def test_the_range_is_that_of_the_schema(key):
    low, high = re.match(r"(\S+) … ([\d.,]+\w*)", ROWS[key][0]).groups()
    assert (number(low), number(high)) == bounds(KEYS[key])


def test_every_flag_of_serve_is_on_the_page_and_no_other():
    text = subprocess.run([SLUICE, "serve", "--help"], capture_output=True, text=True, timeout=30,
                          check=True).stdout
    flags = set(re.findall(r"^  (--[a-z-]+)", text, re.M)) - {"--version"}
    assert "--listen" in flags
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--show", "--api-key", "--served-model-name"} \
        == flags
    variables = set(re.findall(r"SLUICE_[A-Z_]+", text))
    assert set(re.findall(r"`(SLUICE_[A-Z_]+)` \|$", PAGE, re.M)) == variables


def test_the_errors_shown_are_those_of_the_binary(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "listen: 0.0.0.0:8080\ntimeouts:\n  first_content: 10\n  keepalive_idle: 75s\nlimits:\n"
        "  fields_max: 50\npools:\n  - name: default\n    replicas:\n      - 10.0.0.1:8000\n")
    done = subprocess.run([SLUICE, "check", "bad.yaml"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 2
    shown = next(b for b in re.findall(r"```text\n(.*?)```", PAGE, re.S) if "error:" in b)
    assert done.stderr.strip() == shown.strip()


def test_the_sample_of_tls_is_made_of_known_keys():
    sample = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])
    assert set(sample) <= {key for key in KEYS if "." not in key}
    assert set(sample["pools"][0]) <= {key.removeprefix("pools[].") for key in KEYS}
