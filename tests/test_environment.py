"""pyproject.toml, environment.yml and the locks name the same packages."""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = ("hub", "user", "dev")
PYTHONS = ("3.11", "3.12", "3.13")

CONDA_NAMES = {
    "dask[array,dataframe]": "dask",  # conda-forge's dask brings numpy, pandas and pyarrow with it
    "duckdb": "python-duckdb",
    "psycopg[binary]": "psycopg",  # and its psycopg is the compiled one
}
"""Requirements of pyproject.toml that conda-forge calls differently."""

CONDA_ONLY = {"python", "nodejs", "configurable-http-proxy"}
"""What a deployment has from Debian and npm, and conda-forge has too."""

_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\Z")


@cache
def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def requirements(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for with ``extras``."""
    lines = list(project()["dependencies"])
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def pin(requirement: Requirement) -> str:
    """The one version a requirement allows."""
    [specifier] = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not pinned"
    return specifier.version


def lock_entries(lock: str) -> list[str]:
    """The logical lines of a lock, comments left out."""
    text = (ROOT / f"deploy/lock/{lock}.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def installed(lock: str, python: str) -> dict[str, str]:
    """Name and version of what ``lock`` puts on a Linux machine with that Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    pins: dict[str, str] = {}
    for entry in lock_entries(lock):
        requirement = Requirement(entry.partition(" --hash")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in pins, f"{lock}.txt has {name} twice for Python {python}"
            pins[name] = pin(requirement)
    return pins


def conda_packages() -> dict[str, str]:
    """Name and version specification of environment.yml's lines."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    matches = [re.fullmatch(r"([a-z0-9-]+)((?:=|>=)\S+)", line) for line in lines]
    assert all(matches), "environment.yml has a line that is not name=version or name>=version"
    packages = {match[1]: match[2] for match in matches if match}
    assert len(packages) == len(lines), "environment.yml names a package twice"
    return packages


def conda_name(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return CONDA_NAMES.get(requirement.name + extras, requirement.name + extras)


def test_conda_environment_is_the_hubs_and_the_users_set() -> None:
    pins = {conda_name(requirement): f"={pin(requirement)}" for requirement in requirements("hub", "user")}
    listed = {name: version for name, version in conda_packages().items() if name not in CONDA_ONLY}

    assert listed == pins


def test_conda_environment_has_the_python_and_the_proxy_of_a_deployment() -> None:
    packages = conda_packages()
    proxy = json.loads((ROOT / "deploy/lock/proxy/package.json").read_text())["dependencies"]

    assert packages["python"] == project()["requires-python"]
    assert packages["configurable-http-proxy"] == f"={proxy['configurable-http-proxy']}"
    assert packages.keys() >= CONDA_ONLY


def test_the_table_of_conda_names_has_no_dead_entries() -> None:
    pins = {line.partition("==")[0] for extra in ("hub", "user") for line in project()["optional-dependencies"][extra]}

    assert CONDA_NAMES.keys() <= pins


def test_both_sides_ask_for_the_same_version_of_what_they_share() -> None:
    pins: dict[str, set[str]] = {}
    for requirement in requirements("hub", "user", "dev"):
        pins.setdefault(requirement.name, set()).add(pin(requirement))

    assert {name: versions for name, versions in pins.items() if len(versions) > 1} == {}


def test_the_readme_lists_the_packages_of_notebooks_within_their_limit() -> None:
    section = (ROOT / "spawners/node/README.md").read_text().partition("## Packages for notebooks")[2]
    rows = re.findall(r"^\| ([a-z0-9, ]+) \| (\d+) \|", section.partition("\n## ")[0], flags=re.MULTILINE)
    listed = {name for names, _ in rows for name in names.split(", ")}

    assert listed >= {
        "altair",
        "ipyleaflet",
        "ipympl",
        "netcdf4",
        "pandas",
        "plotly",
        "polars",
        "seaborn",
        "xarray",
        "zarr",
    }
    assert listed <= {requirement.name for requirement in requirements("user")}
    assert sum(int(megabytes) for _, megabytes in rows) <= 400


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("lock", "extras"), [("hub", ["hub"]), ("user", ["user"]), ("dev", ["hub", "user", "dev"])])
def test_a_lock_pins_exactly_what_pyproject_asks_for(lock: str, extras: list[str], python: str) -> None:
    locked = installed(lock, python)
    pins = {canonicalize_name(requirement.name): pin(requirement) for requirement in requirements(*extras)}

    assert {name: locked.get(name) for name in pins} == pins


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", ["hub", "user"])
def test_the_checkout_tests_the_versions_that_a_deployment_runs(lock: str, python: str) -> None:
    checkout = installed("dev", python)
    deployed = installed(lock, python)

    assert {name: checkout.get(name) for name in deployed} == deployed


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_of_a_lock_has_hashes_and_nothing_names_an_address(lock: str) -> None:
    text = (ROOT / f"deploy/lock/{lock}.txt").read_text()

    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"^\s*--(?!hash)", text, flags=re.MULTILINE), "an option such as an index"
    for entry in lock_entries(lock):
        _, *hashes = entry.split(" --hash=")
        assert hashes, f"{entry} has no hash"
        assert all(_HASH.match(f"--hash={digest.strip()}") for digest in hashes), entry


def test_npm_locks_have_hashes_and_no_addresses() -> None:
    locks = list((ROOT / "deploy/lock").glob("*/package-lock.json"))

    assert locks
    for lock in locks:
        packages = json.loads(lock.read_text())["packages"]
        assert "://" not in re.sub(r'"(url|funding)": "[^"]*"', "", lock.read_text()), lock
        assert all("integrity" in package for path, package in packages.items() if path), lock
