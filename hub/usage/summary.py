"""Hours of a person in a few words, for the header that the Hub's pages and the dashboards share."""

from __future__ import annotations

from collections.abc import Iterable

from hub.formats import quantity
from hub.language import translate
from hub.usage.models import ProjectHours


def hours_left(projects: Iterable[ProjectHours]) -> str:
    """``120 GPU · 3 100 CPU``: what is left in all projects of a person together."""
    listed = tuple(projects)
    kinds = {
        translate("GPU"): [project.gpu for project in listed],
        translate("CPU"): [project.cpu for project in listed],
    }
    return " · ".join(
        f"{quantity(sum(hours.left for hours in budgets))} {kind}"
        for kind, budgets in kinds.items()
        if any(hours.granted for hours in budgets)
    )
