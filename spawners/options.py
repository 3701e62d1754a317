"""What a person may ask for: one closed, typed model. Form, REST and stored values all pass through it."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hub.errors import InvalidInput
from hub.settings import Slurm

# Slurm allows more; nothing a site uses needs more, and none of this can end a directive or start an option.
# (pydantic's regular expressions are Rust's: "$" is the end of the text, also before a newline.)
SlurmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]

GPUS = 4


class SpawnRequest(BaseModel):
    """A notebook server: which project pays, and what it gets. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: SlurmName
    cpus: int = Field(2, ge=1)
    memory_gb: int = Field(4, ge=1)
    hours: int = Field(4, ge=1)
    gpus: int = Field(0, ge=0, le=GPUS)

    labels: ClassVar[dict[str, str]] = {
        "account": "Project",
        "cpus": "CPU cores",
        "memory_gb": "Memory",
        "hours": "Time",
        "gpus": "GPUs",
    }


def parse(options: dict[str, Any], settings: Slurm) -> SpawnRequest:
    """The request in ``options``; raises :class:`InvalidInput` with one sentence for the first thing that is wrong."""
    try:
        request = SpawnRequest.model_validate({"account": settings.default_account, **options})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise InvalidInput("There is no such choice as one of those sent.", field=name[:40]) from error
        label = SpawnRequest.labels.get(name, "A choice")
        raise InvalidInput(f"{label}: {_sentence(first['type'], first.get('ctx', {}))}", field=name) from error
    _within("cpus", request.cpus, settings.max_cpus, "cores")
    _within("memory_gb", request.memory_gb, settings.max_memory_gb, "GB")
    _within("hours", request.hours, settings.max_hours, "hours")
    return request


def _sentence(kind: str, context: dict[str, Any]) -> str:
    """pydantic's kinds of error in plain words."""
    match kind:
        case "greater_than_equal":
            return f"choose {context['ge']} or more."
        case "less_than_equal":
            return f"choose {context['le']} or less."
        case "string_pattern_mismatch" | "string_type":
            return "that is not the name of one."
        case _:
            return "that is not a whole number."


def _within(name: str, value: int, limit: int, unit: str) -> None:
    if value > limit:
        label = SpawnRequest.labels[name]
        raise InvalidInput(f"{label}: {value} {unit} is more than one notebook can have ({limit} {unit}).", field=name)


def from_form(form: dict[str, list[str]]) -> dict[str, Any]:
    """The values of our own fields out of a posted form; whatever else the form holds is left there."""
    return {
        name: values[0] for name, values in form.items() if name in SpawnRequest.model_fields and values and values[0]
    }


def form_html(accounts: list[str], last: dict[str, Any], settings: Slurm) -> str:
    """The fields of the spawn page, ``last`` being the person's last choice."""
    fields = [
        _select("account", [(name, name) for name in accounts], last, "The project whose hours this notebook uses."),
        _select("cpus", _steps(settings.max_cpus, "core", "cores"), last, "Cores your kernels share.", "2"),
        _select(
            "memory_gb", _steps(settings.max_memory_gb, "GB", "GB"), last, "Main memory of the whole notebook.", "4"
        ),
        _select("hours", _steps(settings.max_hours, "hour", "hours"), last, "The notebook ends after this time.", "4"),
        _select("gpus", [("0", "none"), *_steps(GPUS, "GPU", "GPUs")], last, "GPU notebooks wait for a GPU node.", "0"),
    ]
    return '<fieldset class="row"><legend>What your notebook runs on</legend>' + "".join(fields) + "</fieldset>"


def _steps(limit: int, one: str, many: str) -> list[tuple[str, str]]:
    """1, 2, 4, … up to the limit, and the limit itself."""
    values = sorted({2**n for n in range(limit.bit_length())} | {limit})
    return [(str(value), f"{value} {one if value == 1 else many}") for value in values if value <= limit]


def _select(name: str, choices: list[tuple[str, str]], last: dict[str, Any], hint: str, default: str = "") -> str:
    chosen = str(last.get(name, default))
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in choices
    )
    return (
        f'<div class="field"><label for="{name}">{SpawnRequest.labels[name]}</label>'
        f'<select id="{name}" name="{name}" aria-describedby="{name}-hint">{options}</select>'
        f'<p class="hint" id="{name}-hint">{escape(hint)}</p></div>'
    )
