"""Tests that measure: a suite's `conftest.py` imports the hook."""

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """A test's `figures` are judged when all of it has run, as its last statement."""
    result = yield
    if figures := pyfuncitem.funcargs.get("figures"):
        figures.check()
    return result
