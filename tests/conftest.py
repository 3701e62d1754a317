"""What holds for every test."""

from __future__ import annotations

import os

import pytest

from hub.settings import load


@pytest.fixture(autouse=True)
def settings_come_from_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment on this machine, or a Hub around this process, must not reach into a test."""
    for name in os.environ:
        if name.startswith("JUPYTERHUB_") or (name.startswith("ATRIUM_") and "__" in name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ATRIUM_CONFIG", os.devnull)
    load.cache_clear()
