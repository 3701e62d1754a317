"""What a person may ask for: one closed, typed model. Form, REST and stored values all pass through it."""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, ClassVar, Literal

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
    partition: SlurmName
    qos: SlurmName | Literal[""] = ""
    """Unset: the partition's, or the account's default."""
    cpus: int = Field(2, ge=1)
    memory_gb: int = Field(4, ge=1)
    gpus: int = Field(0, ge=0, le=GPUS)
    gpu_type: SlurmName | Literal[""] = ""
    minutes: int = Field(240, ge=1)
    reservation: SlurmName | Literal[""] = ""
    environment: SlurmName | Literal[""] = ""
    """Name of one of ``spawn.environments``; unset: the standard one."""
    profile: SlurmName | Literal[""] = ""
    """The named size that was chosen, for its settings of idleness."""

    labels: ClassVar[dict[str, str]] = {
        "account": "Project",
        "partition": "Partition",
        "qos": "Quality of service",
        "cpus": "CPU cores",
        "memory_gb": "Memory",
        "gpus": "GPUs",
        "gpu_type": "Kind of GPU",
        "minutes": "Time",
        "reservation": "Reservation",
        "environment": "Environment",
        "profile": "Size",
    }


def parse(options: dict[str, Any], settings: Slurm) -> SpawnRequest:
    """The request in ``options``; raises :class:`InvalidInput` with one sentence for the first thing that is wrong."""
    partition = settings.gpu_partition if options.get("gpus") not in (None, 0, "0") else settings.partition
    try:
        request = SpawnRequest.model_validate({"account": settings.default_account, "partition": partition, **options})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise InvalidInput("There is no such choice as one of those sent.", field=name[:40]) from error
        label = SpawnRequest.labels.get(name, "A choice")
        raise InvalidInput(f"{label}: {_sentence(first['type'], first.get('ctx', {}))}", field=name) from error
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


def from_form(form: dict[str, list[str]]) -> dict[str, Any]:
    """The values of our own fields out of a posted form; whatever else the form holds is left there."""
    return {
        name: values[0] for name, values in form.items() if name in SpawnRequest.model_fields and values and values[0]
    }


def form_html(accounts: list[str], last: dict[str, Any], settings: Slurm) -> str:
    """The fields of the spawn page, ``last`` being the person's last choice."""
    sizes = [(str(2**n), str(2**n)) for n in range(4)]
    times = [(str(minutes), f"{minutes // 60} h") for minutes in (60, 120, 240, 480)]
    fields = [
        _select("account", [(name, name) for name in accounts], last, "The project whose hours this notebook uses."),
        _select("cpus", sizes, last, "Cores your kernels share.", "2"),
        _select("memory_gb", sizes, last, "Main memory of the whole notebook, in GB.", "4"),
        _select("minutes", times, last, "The notebook ends after this time.", "240"),
        _select("gpus", [("0", "none"), *sizes[:3]], last, "GPU notebooks wait for a GPU node.", "0"),
    ]
    return '<fieldset class="row"><legend>What your notebook runs on</legend>' + "".join(fields) + "</fieldset>"


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
