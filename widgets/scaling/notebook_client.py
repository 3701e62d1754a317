"""Dask's client for notebooks: says how to send a module of one's own to a cluster that does not have it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distributed import Client
from distributed.core import clean_exception

_NOT_IN_MODULE = re.compile(r"(?:on|from) <module '([\w.]+)'|module '([\w.]+)' has no attribute")


class OwnModuleMissing(RuntimeError):
    """The cluster has no module of this name, or an older one."""


class NotebookClient(Client):
    """As Dask's, with errors about modules beside the notebook that say what to do."""

    def _handle_task_erred(self, key: Any = None, exception: Any = None, traceback: Any = None) -> None:
        super()._handle_task_erred(key, explained(exception), traceback)


def explained(exception: Any) -> Any:
    """The error of a task as it came, or :class:`OwnModuleMissing` if a module of the person caused it."""
    error = clean_exception(exception)[1]
    for cause in _causes(error):
        name = module_in(cause).partition(".")[0]
        line = name and upload_line(name)
        if line:
            missing = OwnModuleMissing(
                f"The cluster does not have your module {name} as it is here. Send it, then run this again:\n    {line}"
            )
            missing.__cause__ = error
            return missing
    return exception


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    known: set[int] = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def module_in(error: BaseException) -> str:
    """Name of the module that ``error`` misses, or misses something in; "" for other errors."""
    if isinstance(error, ModuleNotFoundError):
        return error.name or ""
    match = _NOT_IN_MODULE.search(str(error)) if isinstance(error, AttributeError | ImportError) else None
    return (match[1] or match[2]) if match else ""


def upload_line(name: str) -> str:
    """The line that sends the module ``name`` of this notebook to the cluster; "" for an installed module."""
    path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    if path.suffix != ".py" or path.is_relative_to(sys.prefix) or path.is_relative_to(sys.base_prefix):
        return ""
    if path.name == "__init__.py":
        folder = path.parent
        archive = f"shutil.make_archive({name!r}, 'zip', {str(folder.parent)!r}, {folder.name!r})"
        return f"import shutil; client.upload_file({archive})"
    return f"client.upload_file({str(path)!r})"
