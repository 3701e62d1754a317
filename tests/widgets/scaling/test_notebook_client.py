"""Errors about modules beside the notebook: what to do about them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from widgets.scaling.notebook_client import OwnModuleMissing, explained, upload_line


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, file in (("mymod", "mymod.py"), ("mypackage", "mypackage/__init__.py")):
        module = ModuleType(name)
        module.__file__ = str(tmp_path / file)
        monkeypatch.setitem(sys.modules, name, module)
    yield tmp_path


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause
    return error


GRAPH = "Error during deserialization of the task graph. This frequently occurs if …"
LATE = "Can't get attribute 'thrice' on <module 'mymod' from '/home/maria/mymod.py'>"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'mymod'", name="mymod"),
        ModuleNotFoundError("No module named 'mymod.part'", name="mymod.part"),
        raised(RuntimeError(GRAPH), ModuleNotFoundError("No module named 'mymod'", name="mymod")),
        raised(RuntimeError(GRAPH), AttributeError(LATE)),
        AttributeError("module 'mymod' has no attribute 'thrice'"),
    ],
)
def test_the_line_that_helps_is_offered(own_modules: Path, error: BaseException) -> None:
    better = explained(error)
    assert isinstance(better, OwnModuleMissing) and better.__cause__ is error
    assert f"client.upload_file('{own_modules}/mymod.py')" in str(better)


def test_a_package_is_sent_as_an_archive(own_modules: Path) -> None:
    archive = f"shutil.make_archive('mypackage', 'zip', '{own_modules}', 'mypackage')"
    assert upload_line("mypackage") == f"import shutil; client.upload_file({archive})"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("mymod"),
        ModuleNotFoundError("No module named 'not_here_either'", name="not_here_either"),
        AttributeError("'int' object has no attribute 'x'"),
        AttributeError("module 'json' has no attribute 'x'"),
        raised(RuntimeError(GRAPH), ValueError("another reason")),
        "a text instead of an error",
    ],
)
def test_other_errors_stay_as_they_are(error: object) -> None:
    assert explained(error) is error
