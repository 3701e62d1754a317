"""Options of a server as a closed, typed model, for the form, the REST API and stored values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hub.errors import InvalidInput
from hub.language import duration, mark, translate
from hub.settings import Profile, Settings

# Slurm allows more characters; sites do not need them, and these cannot end a directive or start an option.
# (pydantic's regular expressions are Rust's: "$" is the end of the text, also before a newline.)
SlurmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")]

LABELS = {
    "account": mark("Project"),
    "partition": mark("Partition"),
    "qos": mark("Quality of service"),
    "cpus": mark("CPU cores"),
    "memory_gb": mark("Memory"),
    "gpus": mark("GPUs"),
    "gpu_type": mark("GPU type"),
    "minutes": mark("Time"),
    "reservation": mark("Reservation"),
    "environment": mark("Environment"),
    "profile": mark("Size"),
}
"""What each choice is called on the page."""

_OF_A_PROFILE = ("partition", "qos", "cpus", "memory_gb", "gpus", "gpu_type", "minutes", "reservation")
_BESIDE_A_PROFILE = ("profile", "account", "minutes", "reservation", "environment")


class SpawnRequest(BaseModel):
    """Project and resources of a notebook server. Unknown keys are rejected.

    The upper bounds only keep nonsense out; what one may really have is said by :mod:`spawners.options.validation`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: SlurmName
    partition: SlurmName
    qos: SlurmName | Literal[""] = ""
    """Unset: the partition's, or the account's default."""
    cpus: int = Field(2, ge=1, le=4096)
    memory_gb: int = Field(4, ge=1, le=65536)
    gpus: int = Field(0, ge=0, le=64)
    gpu_type: SlurmName | Literal[""] = ""
    minutes: int = Field(240, ge=1, le=525600)
    reservation: SlurmName | Literal[""] = ""
    environment: SlurmName | Literal[""] = ""
    """Name of one of ``spawn.environments``; unset: the standard one."""
    profile: SlurmName | Literal[""] = ""
    """The named size that was chosen, for its settings of idleness."""


def parse(options: Mapping[str, Any], settings: Settings) -> SpawnRequest:
    """The request in ``options``; a profile fills in options that are not set.

    :raises InvalidInput: for the first error, with its field.
    """
    slurm = settings.slurm
    values = {**of_profile(options.get("profile"), settings), **options}
    partition = slurm.gpu_partition if values.get("gpus") not in (None, 0, "0", "") else slurm.partition
    if not values.get("partition"):
        values["partition"] = partition
    try:
        return SpawnRequest.model_validate({"account": slurm.default_account, **values})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            message = translate("Unknown option: {name}.").format(name=name[:40])
            raise InvalidInput(message, field=name[:40]) from error
        label = translate(LABELS.get(name, mark("A choice")))
        raise InvalidInput(f"{label}: {_sentence(first['type'], first.get('ctx', {}))}", field=name) from error


def of_profile(name: object, settings: Settings) -> dict[str, Any]:
    """Options of the profile ``name``; empty without a name. Raises :class:`InvalidInput` for an unknown one."""
    if name in (None, ""):
        return {}
    profile = next((entry for entry in settings.spawn.profiles if entry.name == name), None)
    if profile is None:
        raise InvalidInput(translate("There is no size of that name."), field="profile")
    return values_of(profile)


def values_of(profile: Profile) -> dict[str, Any]:
    """Options that a profile sets."""
    return {name: value for name in _OF_A_PROFILE if (value := getattr(profile, name)) not in ("", None)}


def from_form(form: Mapping[str, list[str]]) -> dict[str, Any]:
    """Options in a posted form; unknown fields are ignored.

    A form sends all fields: if a named size is selected, only the fields outside of "Advanced" count.
    """
    sent = {name: form[name][0].strip() for name in SpawnRequest.model_fields if form.get(name)}
    if sent.get("profile"):
        sent = {name: value for name, value in sent.items() if name in _BESIDE_A_PROFILE}
    return {name: value for name, value in sent.items() if value}


def from_link(query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Options in a link, whose prefix ``opt-`` JupyterHub has removed."""
    return {name: values[0].strip() for name, values in query.items() if values and values[0].strip()}


def _sentence(kind: str, context: dict[str, Any]) -> str:
    """The sentence for a type of pydantic's errors."""
    match kind:
        case "greater_than_equal":
            return translate("choose {n} or more.").format(n=context["ge"])
        case "less_than_equal":
            return translate("choose {n} or less.").format(n=context["le"])
        case "string_pattern_mismatch" | "string_type":
            return translate("that is not the name of one.")
        case _:
            return translate("that is not a whole number.")


def in_words(request: Mapping[str, Any]) -> str:
    """Options, or some of them, as text: ``2 cores, 4 GB, 4 h in notebooks``."""
    parts = []
    if cpus := whole(request.get("cpus")):
        parts.append(translate("1 core") if cpus == 1 else translate("{n} cores").format(n=cpus))
    if memory := whole(request.get("memory_gb")):
        parts.append(translate("{n}\u202fGB").format(n=memory))
    if gpus := whole(request.get("gpus")):
        kind = str(request.get("gpu_type") or "")
        parts.append(f"{translate('1 GPU') if gpus == 1 else translate('{n} GPUs').format(n=gpus)} {kind}".strip())
    if minutes := whole(request.get("minutes")):
        parts.append(duration(60 * minutes))
    size = ", ".join(parts)
    partition = str(request.get("partition") or "")
    return translate("{size} in {partition}").format(size=size, partition=partition) if partition else size


def with_project(request: Mapping[str, Any]) -> str:
    """Options as text, and who pays: ``2 cores, 4 GB, 4 h in notebooks, project demo``."""
    account = str(request.get("account") or "")
    words = in_words(request)
    return translate("{words}, project {account}").format(words=words, account=account) if words and account else words


def whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
