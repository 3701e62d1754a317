"""Options by REST."""

import json
from types import SimpleNamespace

import pytest
from jupyterhub import apihandlers
from jupyterhub.apihandlers.users import UserServerAPIHandler
from tornado import web

from spawners import rest


def body_of(body: bytes) -> dict[str, object]:
    handler = rest.ServerHandler.__new__(rest.ServerHandler)
    handler.request = SimpleNamespace(body=body)
    return handler.get_server_json_body()


def test_options_are_typed_before_they_are_kept():
    options = body_of(b'{"user_options": {"cpus": "4"}}')["user_options"]
    assert options == {"account": "demo", "cpus": 4, "memory_gb": 4, "hours": 4, "gpus": 0}


def test_no_options_are_the_last_ones():
    assert body_of(b"")["user_options"] is None


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"user_options": {"cmd": ["/bin/sh"]}}, 422),
        ({"user_options": {"cpus": 10**9}}, 422),
        ({"user_options": {"account": "x" * 63 + "\n"}}, 422),
        ({"req_prologue": "id"}, 422),
        ({"user_options": {"account": "x" * 20_000}}, 413),
        ({"user_options": ["cpus"]}, 400),
    ],
)
def test_anything_else_is_refused(sent, status):
    with pytest.raises(web.HTTPError) as refused:
        body_of(json.dumps(sent).encode())
    assert refused.value.status_code == status


def test_the_stock_handler_is_gone():
    rest.install()
    rest.install()
    handlers = [entry[1] for entry in apihandlers.default_handlers]
    assert UserServerAPIHandler not in handlers
    assert handlers.count(rest.ServerHandler) == 2
