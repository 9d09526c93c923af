"""Tests that train networks need torch, which is in no extra but `deep`: where it is absent, they say so."""

from collections.abc import Generator

import pytest

from riskweave.errors import RiskweaveError


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Skip a test whose trainer asks for torch, with the trainer's own words."""
    try:
        return (yield)
    except RiskweaveError as error:
        if "needs torch" in str(error):
            pytest.skip(str(error))
        raise
