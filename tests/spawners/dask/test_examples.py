"""The shipped examples, read: what they do on GPUs, with others and at the end. tests/e2e runs them."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "notebooks/examples"
TRAINING = ast.parse((EXAMPLES / "train_language_model.py").read_text())


def test_what_the_processes_exchange_lies_on_their_device() -> None:
    """NCCL refuses tensors of the CPU."""
    calls = [node for node in ast.walk(TRAINING) if isinstance(node, ast.Call)]
    exchanged = {ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "dist.all_reduce"}
    assert exchanged
    for node in ast.walk(TRAINING):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in exchanged:
            assert isinstance(node.value, ast.Call)
            assert [ast.unparse(keyword) for keyword in node.value.keywords] == ["device=device"]


def test_a_training_that_has_finished_says_so_and_the_next_one_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [function] = [node for node in TRAINING.body if isinstance(node, ast.FunctionDef) and node.name == "finish"]
    names: dict[str, Any] = {"Path": Path, "os": os}
    exec(compile(ast.Module([function], []), "train_language_model.py", "exec"), names)
    checkpoint, sign = tmp_path / "model.pt", tmp_path / "sign"
    checkpoint.write_text("trained")
    monkeypatch.setenv("ATRIUM_TRAINING_FINISHED", str(sign))
    names["finish"](checkpoint)
    assert sign.exists()
    assert not checkpoint.exists()
    assert (tmp_path / "model.finished.pt").read_text() == "trained"


def test_the_last_step_of_a_training_is_its_end() -> None:
    calls = [ast.unparse(node.func) for node in ast.walk(TRAINING) if isinstance(node, ast.Call)]
    assert calls.count("finish") == 1
    [block] = [
        node
        for node in ast.walk(TRAINING)
        if isinstance(node, ast.If) and any(ast.unparse(step) == "finish(options.checkpoint)" for step in node.body)
    ]
    assert [ast.unparse(step).partition("(")[0] for step in block.body][:2] == ["save", "finish"]


def test_members_of_a_project_do_not_share_a_folder_that_one_of_them_deletes() -> None:
    notebook = json.loads((EXAMPLES / "dataframe.ipynb").read_text())
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    [folder] = [line for line in code.splitlines() if line.startswith("folder = ")]
    assert "getpass.getuser()" in folder
