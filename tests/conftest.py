"""Fixtures and hooks for all tests: distribution among workers, and isolation from deployments on this machine."""

from __future__ import annotations

import gc
import os

import pytest
from xdist import is_xdist_controller
from xdist.remote import Producer

from hub.settings import load
from tests.queues import Queues, rank
from tests.temporary_deployment import purge_abandoned_copies

# Before any test module is read: some make settings as they are imported.
for _name in [
    name for name in os.environ if name.startswith("JUPYTERHUB_") or (name.startswith("ATRIUM_") and "__" in name)
]:
    del os.environ[_name]
os.environ["ATRIUM_CONFIG"] = os.devnull

# Collecting garbage as often as Python does by itself is a sixth of the unit tests' processor time.
gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True)
def settings_come_from_the_test() -> None:
    load.cache_clear()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Queues:
    return Queues(config, log)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """All workers must give a test the same name, and packed bytes hold the time at which each of them packed."""
    return argname if isinstance(val, bytes) and not val.isascii() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if is_xdist_controller(session):
        purge_abandoned_copies()
