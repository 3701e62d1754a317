"""What holds for every test: a deployment on this machine, or a Hub around this process, does not reach into it."""

from __future__ import annotations

import os

import pytest

from hub.settings import load

# Before any test module is read: some make settings as they are imported.
for _name in [
    name for name in os.environ if name.startswith("JUPYTERHUB_") or (name.startswith("ATRIUM_") and "__" in name)
]:
    del os.environ[_name]
os.environ["ATRIUM_CONFIG"] = os.devnull


@pytest.fixture(autouse=True)
def settings_come_from_the_test() -> None:
    load.cache_clear()
