"""Variables and filters of all templates: the frame, and formatted numbers."""

from __future__ import annotations

import re
from types import SimpleNamespace

from jinja2 import Environment, FileSystemLoader

from hub.pages import frame, templating
from hub.settings import Settings
from tests.hub.pages.test_handlers import person


def test_frame_of_a_visitor_has_no_menu_and_of_an_admin_has_admin(settings: Settings) -> None:
    frame_for = templating.template_vars(settings)["frame"]
    assert frame_for(None).menu == ()
    keys = [entry.key for entry in frame_for(person()).menu]
    assert keys == ["start", "onboarding", "projects", "dataspaces", "scaling"]
    admins = frame_for(person(groups=[SimpleNamespace(name="admins")]))
    dashboards = "http://dashboards--service.localhost:8000/services/dashboards/voila/render"
    assert admins.place("admin").url == f"{dashboards}/admin.ipynb"
    assert admins.place("dataspaces").url == f"{dashboards}/dataspaces.ipynb"
    assert admins.place("review") is None
    reviewers = frame_for(person(groups=[SimpleNamespace(name="reviewers")]))
    assert reviewers.place("review").url == f"{dashboards}/review.ipynb"
    assert reviewers.place("admin") is None


def test_a_page_made_before_its_reader_is_known_hides_what_only_some_may_open() -> None:
    around = frame.build(site_name="A", hub_url="http://h/hub/", dashboards_url="/d/", static_url="/s/", roles=None)
    header = (
        Environment(loader=FileSystemLoader(frame.TEMPLATES)).get_template("frame/header.html").render(frame=around)
    )
    assert re.findall(r'<li data-role="(\w+)" hidden>', header) == ["reviewer", "admin"]
