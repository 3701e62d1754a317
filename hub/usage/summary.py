"""Hours of a person in a few words, for the header that the Hub's pages and the dashboards share."""

from __future__ import annotations

from collections.abc import Iterable

from hub.formats import quantity
from hub.language import translate
from hub.usage.models import ProjectHours

SHOWN = 2
"""Projects in the header, where there is little room."""


def hours_left(projects: Iterable[ProjectHours]) -> str:
    """``demo: 120 GPU · 3 100 CPU``: what is left, by project, because no project can use another's hours."""
    words = [f"{project.slug}: {left}" for project in projects if (left := _left(project))]
    if len(words) > SHOWN:
        words[SHOWN:] = [translate("and {n} more").format(n=len(words) - SHOWN)]
    return "; ".join(words)


def _left(project: ProjectHours) -> str:
    kinds = ((translate("GPU"), project.gpu), (translate("CPU"), project.cpu))
    return " · ".join(f"{quantity(hours.left)} {kind}" for kind, hours in kinds if hours.granted)
