"""Events of the audit trail in words, for the admin page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from hub.audit.models import Event
from hub.formats import exactly

OBJECTS = {
    "application": "Application",
    "call": "Call",
    "organisation": "Organisation",
    "project": "Project",
    "publication": "Publication",
    "record": "Data set",
    "server": "Notebook",
    "source": "Data source",
}
FIELDS = {
    "balance": "Balance sheet (€)",
    "by": "Person",
    "cpu_hours": "Core hours",
    "digest": "Digest of the conditions",
    "every_hours": "Hours between harvests",
    "gpu_hours": "GPU hours",
    "max_page_bytes": "Longest page (bytes)",
    "public_share": "Public share (%)",
    "share": "Share (%)",
    "storage_gb": "Storage (GB)",
    "timeout_seconds": "Time limit of a request (seconds)",
    "turnover": "Turnover (€)",
}
"""Names of values that are more than their words."""


def object_words(name: str) -> str:
    """What an event is about: ``application/12`` is Application A-00012."""
    kind, _, which = name.partition("/")
    if kind not in OBJECTS or not which:
        return name[:1].upper() + name[1:]
    return f"{OBJECTS[kind]} {f'A-{int(which):05}' if kind == 'application' and which.isdigit() else which}"


def event_words(event: Event) -> str:
    """What happened."""
    return event.what[:1].upper() + event.what[1:]


def change_words(event: Event) -> Markup:
    """What has changed, a line for each value; values that stayed are left out."""
    before, after = dict(_values(event.before)), dict(_values(event.after))
    lines = []
    for name in dict.fromkeys((*before, *after)):
        if name in before and name in after:
            if before[name] != after[name]:
                lines.append(f"{name}: {before[name]} before, {after[name]} now")
        elif name in after:
            lines.append(f"{name}: {after[name]}")
        else:
            lines.append(f"{name}: {before[name]} before")
    if not lines:
        return Markup("")
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(x) for x in lines))


def _values(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Names and values in words; those of a group begin with the group's name."""
    for name, value in values.items():
        words = FIELDS.get(name) or name.replace("_", " ").capitalize()
        title = f"{above}, {words[:1].lower() + words[1:] if name not in FIELDS else words}" if above else words
        if isinstance(value, Mapping) and value:
            yield from _values(value, title)
        else:
            yield title, _in_words(value)


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return exactly(value)
    if isinstance(value, list | tuple):
        return "; ".join(_in_words(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {text}" for name, text in _values(value)) or "none"
    return str(value) if value not in (None, "") else "none"
