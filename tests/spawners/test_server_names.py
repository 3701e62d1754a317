"""Names of second notebooks that would break the first one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.slugs import is_valid_safe_slug
from tornado import web

from hub.settings import Settings
from spawners import server_names
from spawners.options import api
from spawners.options import page as spawn_page
from spawners.pages.history import HomePage, WithHistory
from spawners.server_names import RESERVED, ReservedName, suggestion, with_reserved_names
from tests.hub.pages.test_handlers import VARIABLES, render
from tests.hub.pages.test_handlers import person as home_person


def person(*servers: str) -> SimpleNamespace:
    return SimpleNamespace(name="maria", escaped_name="maria", orm_spawners=dict.fromkeys(servers))


@pytest.fixture
def stock_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that reached JupyterHub's own check."""
    names = []

    async def check(_self: Any, _user: Any, server_name: str, _display_name: str, _check_limit: bool) -> None:
        names.append(server_name)

    monkeypatch.setattr(BaseHandler, "_check_named_server_request", check)
    monkeypatch.setattr(BaseHandler, "hub", SimpleNamespace(base_url="/hub/"))
    return names


def handler(kind: type) -> Any:
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", [spawn_page.SpawnPage, api.ServerHandler])
@pytest.mark.parametrize("name", sorted(RESERVED))
async def test_no_new_notebook_gets_a_word_of_the_first_ones_addresses(
    stock_checks: list[str], kind: type, name: str
) -> None:
    with pytest.raises(web.HTTPError) as refused:
        await handler(kind)._check_named_server_request(person(""), name, name)

    assert refused.value.status_code == 422
    assert f"cannot be called “{name}”" in refused.value.get_message()
    assert f"for example “{name}-notebook”" in refused.value.get_message()
    assert stock_checks == []


@pytest.mark.parametrize("kind", [spawn_page.SpawnPage, api.ServerHandler])
async def test_other_names_and_those_that_exist_get_jupyterhubs_check_alone(
    stock_checks: list[str], kind: type
) -> None:
    for name in ("api", "apis", "my-lab", "tree"):
        await handler(kind)._check_named_server_request(person("api"), name, name, check_limit=False)

    assert stock_checks == ["api", "apis", "my-lab", "tree"]


def test_the_suggestion_is_free_and_valid() -> None:
    assert suggestion("api", []) == "api-notebook"
    assert suggestion("api", ["api", "api-notebook"]) == "api-notebook-2"
    assert suggestion("api", ["api-notebook", "api-notebook-2"]) == "api-notebook-3"
    assert all(is_valid_safe_slug(suggestion(name, [f"{name}-notebook"])) for name in RESERVED)


def test_a_page_links_to_the_form_under_the_suggested_name() -> None:
    page = ReservedName("lab", "lab-notebook", "/hub/spawn/maria/lab-notebook?display_name=lab-notebook").__dict__
    link = '<a href="/hub/spawn/maria/lab-notebook?display_name=lab-notebook">lab-notebook</a>'
    assert link in page["jupyterhub_html_message"]


def test_owners_are_told_of_names_that_are_reserved_today() -> None:
    assert with_reserved_names(person("", "lab", "steel", "api")) == {"api": "api-notebook", "lab": "lab-notebook"}
    assert with_reserved_names(person("")) == {}


def test_every_handler_that_creates_servers_has_the_check() -> None:
    """JupyterHub's own check is what both call before they create a row."""
    for kind in (spawn_page.SpawnPage, api.ServerHandler):
        assert kind._check_named_server_request is server_names.CheckedNames._check_named_server_request


def test_the_start_page_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WithHistory, "template_namespace", property(lambda _self: {}))
    namespace = handler(HomePage).template_namespace
    page = render(
        Settings(), "home.html", user=home_person(orm_spawners={"": 1, "api": 1}), **VARIABLES["home.html"] | namespace
    )
    text = " ".join(page.split())

    assert "Your notebook “api” has a name that is part of the address of your first notebook." in text
    assert "for example “api-notebook”" in text
    assert "reserved-" not in render(Settings(), "home.html", user=home_person(), **VARIABLES["home.html"])
