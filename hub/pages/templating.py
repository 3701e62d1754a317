"""Variables and filters of all templates of the Hub: the frame, numbers and times, and gettext."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment
from jinja2.ext import InternationalizationExtension

from hub import formats, language
from hub.health import storage
from hub.pages import frame
from hub.pages.overview import Answer, overviews, roles_in_menu
from hub.settings import Settings
from hub.usage.summary import hours_left

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
            hours=hours_left(answer.overview.me.projects) if answer.overview else "",
            report_url=settings.site.report_url,
            menu=user is not None,
            roles=roles_in_menu(user, answer) if user else (),
        )

    return {
        "frame": frame_for,
        "now": lambda _user: datetime.now(UTC),
        "storage_warnings": lambda user: storage.warnings(settings) if user and "admins" in _groups(user) else (),
    }


def _groups(user: Any) -> set[str]:
    return {group.name for group in user.groups}


class Words(InternationalizationExtension):
    """gettext for the templates, in the language of the request; numbers and times as that language writes them."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.install_gettext_callables(  # type: ignore[attr-defined]
            language.translate, language.translate_many, newstyle=True
        )
        environment.globals["language"] = language.current
        environment.filters["quantity"] = formats.quantity
        environment.filters["day"] = formats.day
        environment.filters["clock"] = formats.clock
        environment.filters["day_and_clock"] = formats.day_and_clock
        environment.filters["duration"] = language.duration


JINJA_OPTIONS = {"extensions": [Words]}
"""For ``JupyterHub.jinja_environment_options``."""
