"""Imports that the start of a server leaves out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent.parent.parent


def python(source: str, **environment: str) -> list[str]:
    """Words that ``source`` prints in an interpreter of its own."""
    command = [sys.executable, "-c", source]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_no_grammar_is_worked_out_and_addresses_are_still_checked() -> None:
    source = """
import sys
from spawners.node.imports import leave_out_iri_checks
leave_out_iri_checks()
from jsonschema import FormatChecker
print(*{"lark"} & sys.modules.keys(), *{"iri", "uri"} & FormatChecker.checkers.keys())
"""
    assert python(source) == ["uri"]


def test_jupyterlab_is_imported_without_running_node(tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho '{{}}'\n")
    node.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    python("import jupyterlab.labapp", **path)
    assert (tmp_path / "ran").exists()  # what there is to leave out
    (tmp_path / "ran").unlink()

    python("from spawners.node.imports import leave_out_yarn as cut; cut(); import jupyterlab.labapp", **path)
    assert not (tmp_path / "ran").exists()
