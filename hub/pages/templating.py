"""What every template of the Hub finds: the frame, numbers as people read them, and their language."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment
from jinja2.ext import InternationalizationExtension

from hub import language
from hub.language import translate
from hub.pages import frame
from hub.pages.overview import Answer, overviews, roles_in_menu
from hub.settings import Settings
from hub.usage.models import ProjectHours

HUB_PATH = "/hub/"


def template_vars(settings: Settings) -> dict[str, Any]:
    """Variables of every page. JupyterHub calls the callable ones with the user (or None)."""
    hub_url = settings.site.public_url + HUB_PATH

    def frame_for(user: Any) -> frame.Frame:
        answer = overviews(settings).last(user.name) if user else Answer()
        return frame.build(
            site_name=settings.site.name,
            hub_url=hub_url,
            dashboards_url=settings.service_url("dashboards"),
            static_url=f"{HUB_PATH}atrium/static/",
            person=answer.overview.me.display_name if answer.overview else getattr(user, "name", ""),
            hours=_hours_left(answer.overview.me.projects) if answer.overview else "",
            menu=user is not None,
            roles=roles_in_menu(user, answer) if user else (),
        )

    return {"frame": frame_for, "now": lambda _user: datetime.now(UTC)}


def _hours_left(projects: tuple[ProjectHours, ...]) -> str:
    """All projects of a person together, for the header."""
    kinds = {
        translate("GPU"): [project.gpu for project in projects],
        translate("CPU"): [project.cpu for project in projects],
    }
    return " · ".join(
        f"{quantity(sum(hours.left for hours in budgets))} {kind}"
        for kind, budgets in kinds.items()
        if any(hours.granted for hours in budgets)
    )


def quantity(value: float) -> str:
    """A number for reading: thin spaces between thousands, a decimal only where it says something."""
    digits = 1 if abs(value) < 10 and round(value, 1) != round(value) else 0
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


class Words(InternationalizationExtension):
    """gettext for the templates, in the language of the request; and numbers as people read them."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            language.translate, language.translate_many, newstyle=True
        )
        environment.globals["language"] = language.current
        environment.filters["quantity"] = quantity
        environment.filters["duration"] = language.duration


JINJA_OPTIONS = {"extensions": [Words]}
"""For ``JupyterHub.jinja_environment_options``."""
