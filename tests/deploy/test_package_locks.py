"""Locks pin every package by hash and name no address: the machine's own configuration says where to fetch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

LOCKS = Path(__file__).parents[2] / "deploy/lock"
PYTHON = sorted(LOCKS.glob("*.txt"))
NODE = sorted(LOCKS.glob("*/package-lock.json"))


@pytest.mark.parametrize("lock", PYTHON, ids=lambda path: path.stem)
def test_python_locks_pin_versions_and_hashes_without_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"://|^-| @ ", text, re.MULTILINE)  # no address, no option, no file
    requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert requirements
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", requirement), requirement[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement[:80]


@pytest.mark.parametrize("lock", NODE, ids=lambda path: path.parent.name)
def test_node_locks_have_hashes_and_no_addresses(lock: Path) -> None:
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_text())["packages"]
    dependencies = {name: entry for name, entry in packages.items() if name}
    assert dependencies
    for name, entry in dependencies.items():
        assert "resolved" not in entry, name
        assert re.match(r"^sha512-", entry["integrity"]), name


def test_the_proxy_is_pinned() -> None:
    package = json.loads((LOCKS / "proxy/package.json").read_text())
    assert re.match(r"^\d+\.\d+\.\d+\Z", package["dependencies"]["configurable-http-proxy"])


def test_both_environments_agree_with_the_checkout() -> None:
    pins = {lock.stem: dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE)) for lock in PYTHON}
    for name in ("hub", "user"):
        assert {
            package: version for package, version in pins[name].items() if pins["dev"].get(package) != version
        } == {}
