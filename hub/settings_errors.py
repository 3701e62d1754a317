"""What is wrong with the settings, as sentences: the key, where it is set, and the nearest known key.

No sentence repeats a value, because a value may be a secret in the wrong place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hub.validation import sentence

PREFIX = "ATRIUM_"
SEPARATOR = "__"

Model = type[BaseModel]
Keys = tuple[str, ...]
"""A section or a setting: ``("spawn",)``, ``("spawn", "idle_minutes")``, ``("spawn", "profiles", "title")``."""


def wrong_values(error: ValidationError, settings: Model, file: Path, variables: Iterable[str]) -> Iterator[str]:
    """A sentence for each unknown key and for each value that is not allowed, in the file or in a variable."""
    for detail in error.errors(include_url=False, include_context=False):
        location = detail["loc"]
        keys = tuple(part for part in location if isinstance(part, str))
        variable = _variable_with(keys, variables)
        if detail["type"] != "extra_forbidden":
            setting = f"{_dotted(location)}: " if location else ""
            yield f"{variable or file}: {setting}{sentence(detail)}"
        elif variable == variable_of(keys):
            yield _unknown_variable(variable, keys, settings)
        else:
            name = f"[{_dotted(location)}]" if isinstance(detail["input"], dict) else _dotted(location)
            yield f"{variable or file}: {name} is unknown.{_suggestion(keys, settings, _in_file)}"


def unknown_sections(settings: Model, variables: Iterable[str]) -> Iterator[str]:
    """A sentence for each ``ATRIUM_SECTION__KEY`` of an unknown section, which pydantic-settings does not look at."""
    for name in sorted(variables):
        first, *others = name.upper().removeprefix(PREFIX).lower().split(SEPARATOR)
        if name.upper().startswith(PREFIX) and others and first not in settings.model_fields:
            yield _unknown_variable(name, (first, *others), settings)


def variable_of(keys: Keys) -> str:
    """The variable that sets ``keys``, ``ATRIUM_SPAWN__IDLE_MINUTES``."""
    return PREFIX + SEPARATOR.join(keys).upper()


def section_of(annotation: Any) -> Model | None:
    """The model in a field's type: a section, or the tables of an array such as ``[[spawn.profiles]]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := section_of(part))), None)


def _variable_with(keys: Keys, variables: Iterable[str]) -> str:
    """The variable that sets ``keys``, or as JSON the list or section around them, or something below them."""
    names = {name.upper() for name in variables}
    around = (variable_of(keys[:length]) for length in range(len(keys), 0, -1))
    # pydantic-settings drops the variables of an unknown section, so a wrong section is always the file's.
    below = [name for name in sorted(names) if len(keys) > 1 and name.startswith(variable_of(keys) + SEPARATOR)]
    return next((name for name in (*around, *below) if name in names), "")


def _unknown_variable(name: str, keys: Keys, settings: Model) -> str:
    return f"The variable {name} is unknown.{_suggestion(keys, settings, variable_of)}"


def _suggestion(keys: Keys, settings: Model, name: Callable[[Keys], str]) -> str:
    """What may have been meant: the nearest keys, as ``name`` writes them, and other sections with this key."""
    nearest = _nearest(keys, settings)
    question = f" Did you mean {name(nearest)}?" if nearest else ""
    return question + ("" if nearest[-1:] == keys[-1:] else _other_places(keys, settings))


def _nearest(keys: Keys, settings: Model) -> Keys:
    """The known keys that are most like these, level by level; () when there is none on a level."""
    nearest: Keys = ()
    model: Model | None = settings
    for key in keys:
        fields = model.model_fields if model else {}
        similar = [key] if key in fields else get_close_matches(key, fields, n=1)
        if not similar:
            return ()
        nearest = (*nearest, similar[0])
        model = section_of(fields[similar[0]].annotation)
    return nearest


def _other_places(keys: Keys, settings: Model) -> str:
    """Where a key of this name belongs; for a section, that it stands by itself."""
    key = keys[-1]
    if key in settings.model_fields:
        return f" [{key}] is a section of its own."
    places = [heading(keys_of_setting[:-1]) for keys_of_setting in _known(settings) if keys_of_setting[-1] == key]
    return f" {key} is a key of {_listed(places)}." if places else ""


def _known(model: Model, around: Keys = ()) -> Iterator[Keys]:
    """Every key there is."""
    for name, field in model.model_fields.items():
        yield (*around, name)
        if below := section_of(field.annotation):
            yield from _known(below, (*around, name))


def heading(keys: Keys) -> str:
    """How a table is written in TOML: ``[spawn]``, ``[[spawn.profiles]]``."""
    return f"[{_dotted(keys)}]" if len(keys) == 1 else f"[[{_dotted(keys)}]]"


def _in_file(keys: Keys) -> str:
    return heading(keys) if len(keys) == 1 else _dotted(keys)


def _dotted(location: Iterable[str | int]) -> str:
    """A place as people write it: ``spawn.profiles[0].title``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
