"""The container file and the systemd unit, as far as can be told without running them."""

import configparser
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "deploy/container/Containerfile"
UNIT = ROOT / "deploy/systemd/sluice.service"
SLUICE = ROOT / ".build/release/sluice"


def instructions():
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def test_the_image_runs_as_a_numeric_user_that_is_not_root():
    users = [value for name, value in instructions() if name == "USER"]
    assert users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_both_stages_are_of_one_debian_release():
    bases = [value.split()[0] for name, value in instructions() if name == "FROM"]
    assert len(bases) == 2
    assert all("bookworm" in base for base in bases)
    assert bases[1].endswith("-slim")


def test_the_runtime_is_linked_statically():
    builds = [value for name, value in instructions() if name == "RUN" and "build-release.sh" in value]
    assert len(builds) == 1 and "build-release.sh --static-swift-stdlib " in builds[0]


def test_what_is_copied_exists():
    for name, value in instructions():
        if name == "COPY" and not value.startswith("--from"):
            assert list(ROOT.glob(value.split()[0])), value


def test_the_command_is_one_that_the_unit_uses_too():
    values = dict(instructions())
    assert values["ENTRYPOINT"] == '["/usr/bin/sluice"]'
    assert values["CMD"] == '["serve", "--config", "/etc/sluice/sluice.yaml"]'
    assert "ExecStart=/usr/bin/sluice serve --config /etc/sluice/sluice.yaml\n" in UNIT.read_text()


def unit_settings():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return parser["Service"]


def test_the_unit_is_sandboxed():
    service = unit_settings()
    for key in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome",
                "ProtectKernelTunables", "ProtectKernelModules", "ProtectControlGroups",
                "RestrictNamespaces", "RestrictRealtime", "LockPersonality",
                "MemoryDenyWriteExecute"):
        assert service[key] == "yes", key
    assert service["ProtectSystem"] == "strict"
    assert service["NotifyAccess"] == "none"
    assert int(service["LimitNOFILE"]) >= 65_536


@pytest.fixture
def runnable(tmp_path):
    """The unit with a command that exists on this machine: systemd looks for it."""
    path = tmp_path / "sluice.service"
    path.write_text(UNIT.read_text().replace("/usr/bin/sluice", str(SLUICE)))
    return path


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="systemd-analyze is not installed")


@needs_systemd
def test_systemd_accepts_the_unit(runnable):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", runnable], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Unknown keys are only warned about.
    assert "Unknown key" not in done.stderr and runnable.name + ":" not in done.stderr, done.stderr


@needs_systemd
def test_systemd_finds_little_exposed(runnable):
    # Scale 0 (sealed) to 100 in tenths; a unit without any sandboxing has 96.
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25",
                           "--no-pager", runnable], capture_output=True, text=True, check=False)
    if "not supported" in done.stderr or "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file")
    assert done.returncode == 0, done.stdout[-600:] + done.stderr
