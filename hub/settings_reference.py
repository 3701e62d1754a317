"""``deploy/settings.md``: a table for each section of ``atrium.toml``, made from :mod:`hub.settings`.

It shows defaults only, never a deployment's own values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import IPvAnyNetwork
from pydantic.fields import FieldInfo

from hub.sections import unit_of
from hub.settings import Settings
from hub.settings_errors import Keys, Model, heading, section_of, variable_of

COMMAND = "atrium settings > deploy/settings.md"

_INTRODUCTION = f"""# Settings

Every setting of `atrium.toml`, by section. This page is generated: change `hub/settings.py`, then run
`{COMMAND}`.

A value comes from the variable if it is set, else from the file, else it is the default. The file is
`/etc/atrium/atrium.toml` unless `ATRIUM_CONFIG` names another. Lists and tables in a variable are written as JSON.
`atrium check --settings-only` says whether file and variables are valid; `make up` does so before it stops or restarts
anything.
Secrets are not settings: each is a file of its own in `secrets` below `paths.etc`.
"""
_WORDS: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Path: "path",
    IPvAnyNetwork: "address or network",
}


def markdown() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *(_table(keys, model) for keys, model in tables(Settings))])


def tables(model: Model, around: Keys = ()) -> Iterator[tuple[Keys, Model]]:
    """Every section with its name, and after it the arrays of tables in it: ``("spawn", "profiles")``."""
    for name, field in model.model_fields.items():
        if section := section_of(field.annotation):
            yield (*around, name), section
            yield from tables(section, (*around, name))


def _table(keys: Keys, model: Model) -> str:
    head = ["key", "type", "default", "unit", "meaning", "variable"]
    rows = [_cells((*keys, key), field) for key, field in model.model_fields.items()]
    if len(keys) > 1:  # the variable is that of the whole array
        head, rows = head[:-1], [row[:-1] for row in rows]
    lines = [_line(head), _line(["---"] * len(head)), *map(_line, rows)]
    return "\n".join([f"## {heading(keys)}", "", _text(model.__doc__ or ""), "", *lines, ""])


def _cells(keys: Keys, field: FieldInfo) -> list[str]:
    return [
        f"`{keys[-1]}`",
        ", ".join((_type(field.annotation), *_bounds(field))),
        _default(field),
        unit_of(field),
        _text(field.description or ""),
        f"`{variable_of(keys)}`",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(annotation: Any) -> str:
    parts = [part for part in get_args(annotation) if part not in (type(None), ...)]
    origin = get_origin(annotation)
    if origin is Literal:
        return " or ".join(f"`{getattr(part, 'value', part)}`" for part in parts)
    if origin in (tuple, frozenset):
        return "tables" if section_of(annotation) else f"list of {_type(parts[0])}"
    if parts:
        return _type(parts[0])  # or None
    if issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    return _WORDS[annotation]


def _bounds(field: FieldInfo) -> Iterator[str]:
    for constraint in field.metadata:
        if isinstance(constraint, Ge):
            yield f"≥ {constraint.ge}"
        elif isinstance(constraint, Gt):
            yield f"> {constraint.gt}"
        elif isinstance(constraint, Le):
            yield f"≤ {constraint.le}"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.is_required():
        return "required"
    if value is None or value == "":
        return "unset"
    if value in ((), frozenset()):
        return "`[]`"
    if isinstance(value, tuple):
        return ", ".join(f"`{getattr(entry, 'name', entry)}`" for entry in value)
    return f"`{str(value).lower() if isinstance(value, bool) else getattr(value, 'value', value)}`"


def _text(docstring: str) -> str:
    """A docstring as Markdown, on one line."""
    return " ".join(docstring.split()).replace("``", "`")
