"""Pydantic's validation errors as sentences for people: used by the API, the command line and readers of settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from hub.errors import InvalidInput


def first_problem(error: ValidationError) -> tuple[str, str]:
    """The field of the first problem, such as ``form.months`` ("" for the whole value), and the problem's sentence."""
    detail = error.errors(include_url=False, include_input=False)[0]
    return field_name(detail["loc"]), sentence(detail)


def invalid_input(error: ValidationError, *, subject: str) -> InvalidInput:
    """The first problem as an error of the API; ``subject`` names the whole value when no field is to blame."""
    field, problem = first_problem(error)
    return InvalidInput(f"{field or subject}: {problem}", field=field or None)


def field_name(location: Iterable[str | int]) -> str:
    """A location as the API names fields: ``members.0.name``."""
    return ".".join(str(part) for part in location)


def sentence(detail: Mapping[str, Any]) -> str:
    """The message of one entry of ``ValidationError.errors()``, which never contains the value that was sent."""
    return f"{detail['msg'].removeprefix('Value error, ').rstrip('.')}."
