"""The gateway and the replicas that the client tests talk to.

By default two simulated replicas and a gateway are started. `scripts/test-vllm.sh` sets
SLUICE_URL, SLUICE_ADMIN_URL and SLUICE_REPLICA_URLS instead: then the same tests run
against a gateway before real vLLM.
"""

import os

import openai
import pytest

import support


class Fleet:
    """One gateway and the replicas behind it."""

    def __init__(self, url, admin, replicas, simulated):
        self.url, self.admin, self.replicas, self.simulated = url, admin, replicas, simulated

    def client(self, **options):
        # No retries: what the gateway answers first is what is tested.
        options = {"max_retries": 0, "timeout": support.PATIENCE * 3, **options}
        return openai.OpenAI(base_url=self.url + "/v1", api_key="none", **options)


def pytest_configure(config):
    config.addinivalue_line("markers", "simulated: needs what only vllm-sim does")
    config.addinivalue_line("markers", "real: compares vllm-sim with a real vLLM")
    config.addinivalue_line("markers", "loss: leaves a real fleet with a replica less")


def pytest_collection_modifyitems(items):
    other, needs = (("simulated", "simulated replicas") if "SLUICE_URL" in os.environ
                    else ("real", "a real vLLM (make test-vllm)"))
    for item in items:
        if item.get_closest_marker(other):
            item.add_marker(pytest.mark.skip(reason=f"needs {needs}"))


@pytest.fixture
def programs():
    """Collects what a test starts; all of it has ended, cleanly, when the test has."""
    started = []
    yield started
    failures = []
    for program in reversed(started):
        try:
            program.stop()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="session")
def fleet():
    if "SLUICE_URL" in os.environ:
        yield Fleet(os.environ["SLUICE_URL"], os.environ["SLUICE_ADMIN_URL"],
                    os.environ["SLUICE_REPLICA_URLS"].split(), simulated=False)
        return
    started = []
    try:
        for seed in (1, 2):
            started.append(support.Simulator("--seed", str(seed)))
        urls = [simulator.url for simulator in started]
        gateway = support.gateway_for(*urls)
        started.append(gateway)
        yield Fleet(gateway.url, gateway.admin, urls, simulated=True)
        # Nothing that the tests did may have cost either side a slot.
        support.until(lambda: support.in_flight(gateway.admin) == 0, what="no request in flight")
    except BaseException:
        for program in reversed(started):
            program.kill()
        raise
    for program in reversed(started):
        program.stop()


@pytest.fixture(autouse=True)
def accounts_agree(request):
    """After every test: what the gateway counts at its replicas is what they run and hold."""
    # Asked for before, it is there until after.
    fleet = request.getfixturevalue("fleet") if "fleet" in request.fixturenames else None
    yield
    if isinstance(fleet, Fleet):
        support.agree(fleet.admin, within=0 if fleet.simulated else 2)


@pytest.fixture
def client(fleet):
    with fleet.client() as made:
        yield made
