"""Routes of servers that the cluster has paused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.proxy import ConfigurableHTTPProxy

from hub import config
from spawners.proxy import PausableProxy

SPEC = "maria.localhost/user/maria/"


class Routes(PausableProxy):
    """Remembers the routes that it had to set."""

    def __init__(self) -> None:
        super().__init__(auth_token="x", hub=SimpleNamespace(host="http://127.0.0.1:8081"))
        self.routes: dict[str, tuple[str, dict[str, str]]] = {}

    async def add_route(self, routespec: str, target: str, data: dict[str, str]) -> None:
        self.routes[routespec] = (target, data)


@pytest.mark.parametrize(("paused", "target"), [(True, "http://127.0.0.1:8081"), (False, "http://10.0.0.1:34567")])
async def test_the_hub_answers_for_a_paused_server_only(paused: bool, target: str) -> None:
    proxy = Routes()
    server: Any = SimpleNamespace(host="http://10.0.0.1:34567")
    spawner = SimpleNamespace(paused=paused, pending=None, proxy_spec=SPEC, server=server, _log_name="maria")
    await proxy.add_user(SimpleNamespace(name="maria", spawners={"": spawner}))
    assert proxy.routes == {SPEC: (target, {"user": "maria", "server_name": ""})}


def test_the_hub_uses_this_proxy() -> None:
    module, _, name = config.PROXY.rpartition(".")
    assert (module, name) == (PausableProxy.__module__, PausableProxy.__name__)
    assert issubclass(PausableProxy, ConfigurableHTTPProxy), "whose settings it has"
