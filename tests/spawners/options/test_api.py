"""Options by REST: the same check as the form's, after the right to start was looked at."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from jupyterhub import apihandlers
from jupyterhub.apihandlers.users import UserServerAPIHandler
from tornado import web

from spawners.options import api
from spawners.options import page as spawn_page
from tests.spawners.cluster import CLUSTER, SETTINGS


@pytest.fixture(autouse=True)
def known_cluster(monkeypatch):
    async def look(**_since):
        return CLUSTER

    here = SimpleNamespace(settings=SETTINGS, cluster=SimpleNamespace(look=look))
    monkeypatch.setattr(spawn_page, "site", lambda: here)


async def accepted(body: object, method: str = "POST") -> api.ServerHandler:
    handler = api.ServerHandler.__new__(api.ServerHandler)
    handler.request = SimpleNamespace(
        body=body if isinstance(body, bytes) else json.dumps(body).encode(), method=method
    )
    await handler._accept("founder")
    return handler


async def test_options_are_typed_and_complete_before_they_are_kept():
    handler = await accepted({"user_options": {"cpus": "4", "profile": "one-gpu"}})
    options = handler.get_server_json_body()["user_options"]
    assert (options["account"], options["partition"], options["cpus"], options["gpus"]) == ("demo", "gpu", 4, 1)


async def test_a_request_without_options_keeps_the_last_ones():
    assert (await accepted(b"")).get_server_json_body()["user_options"] is None
    assert (await accepted({"display_name": "x"})).get_server_json_body()["user_options"] is None


async def test_options_of_a_server_that_is_changed_are_held_to_the_same():
    handler = await accepted({"user_options": {"cpus": "4"}, "display_name": "x"}, "PATCH")
    body = handler.get_json_body()
    assert (body["user_options"]["cpus"], body["user_options"]["account"], body["display_name"]) == (4, "demo", "x")
    with pytest.raises(web.HTTPError):
        await accepted({"user_options": {"cmd": "id"}}, "PATCH")


@pytest.mark.parametrize(
    ("sent", "status", "named"),
    [
        ({"user_options": {"cmd": ["/bin/sh"]}}, 422, "cmd:"),
        ({"user_options": {"cpus": 17}}, 422, "cpus: You asked for more cores"),
        ({"user_options": {"account": "steel"}}, 422, "account: You cannot use the project “steel”"),
        ({"user_options": {"minutes": 10**9}}, 422, "minutes:"),
        ({"user_options": {"account": "x" * 63 + "\n"}}, 422, "account:"),
        ({"user_options": {"account": "100%s %(x)s"}}, 422, "account:"),
        ({"req_prologue": "id"}, 422, "req_prologue:"),
        ({"user_options": {"account": "x" * 20_000}}, 413, ""),
        ({"user_options": ["cpus"]}, 400, ""),
    ],
)
async def test_an_invalid_option_is_refused_by_its_field(sent, status, named):
    with pytest.raises(web.HTTPError) as refused:
        await accepted(sent)
    assert refused.value.status_code == status
    assert refused.value.get_message().startswith(named)


@pytest.mark.parametrize("method", ["post", "put", "patch"])
async def test_a_person_without_permission_is_refused_before_options_are_checked(method, monkeypatch):
    accepted_names = []
    monkeypatch.setattr(api.ServerHandler, "_accept", lambda _self, name: accepted_names.append(name))
    handler = api.ServerHandler.__new__(api.ServerHandler)
    handler.parsed_scopes, handler.expanded_scopes = {}, set()
    handler.request = SimpleNamespace(path="/hub/api/users/founder/server", body=b"", method=method.upper())
    handler._jupyterhub_user = None
    with pytest.raises(web.HTTPError) as refused:
        await getattr(handler, method)("founder")
    assert refused.value.status_code in (403, 404)
    assert accepted_names == []


def test_jupyterhubs_handler_is_replaced():
    api.install()
    api.install()
    handlers = [entry[1] for entry in apihandlers.default_handlers]
    assert UserServerAPIHandler not in handlers
    assert handlers.count(api.ServerHandler) == 2
