"""Choice of address and port."""

from __future__ import annotations

import socket

import pytest

from spawners.node import listening
from tests.web import free_port

LOOPBACK = {"JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api"}


def test_a_port_that_is_open_is_nobody_elses() -> None:
    with listening.open_socket(LOOPBACK) as ours:
        host, port = ours.getsockname()
        with pytest.raises(OSError, match="in use"):
            listening.listen(host, port)

    assert host == "127.0.0.1"


def test_requests_wait_for_a_server_that_is_not_up_yet() -> None:
    with listening.open_socket(LOOPBACK) as ours:
        socket.create_connection(ours.getsockname(), timeout=5).close()


def test_each_free_port_of_a_range_is_opened_once() -> None:
    first = free_port()
    while first > 65000:
        first = free_port()
    environment = {**LOOPBACK, "ATRIUM_PORTS": f"{first}-{first + 4}"}
    opened: list[socket.socket] = []
    try:
        with pytest.raises(listening.NoPort, match=f"{first}-{first + 4}"):
            for _ in range(6):
                opened.append(listening.open_socket(environment))
        ports = {listener.getsockname()[1] for listener in opened}
        assert len(ports) == len(opened)
        assert ports <= set(range(first, first + 5))
    finally:
        for listener in opened:
            listener.close()


def test_the_range_is_tried_in_an_order_of_chance() -> None:
    assert sorted(listening.ports("20000-20099")) == list(range(20000, 20100))
    assert list(listening.ports("20000-20099")) != list(listening.ports("20000-20099"))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and their addresses; the way to the Hub leads over 10.1.0.5."""
    names: dict[str, list[str]] = {"cpu7": ["10.1.0.5"], "cpu8": ["192.0.2.8"], "cpu9": ["127.0.1.1"]}
    monkeypatch.setattr(listening, "_source_address", lambda _url: "10.1.0.5")
    monkeypatch.setattr(listening, "_addresses", lambda name: set(names.get(name, [])))
    return names


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"SLURMD_NODENAME": "cpu7"}, "10.1.0.5"),  # Slurm's name and the way to the Hub agree
        ({"SLURMD_NODENAME": "cpu8"}, "0.0.0.0"),  # the Hub will call another address than the one we call it from
        ({"SLURMD_NODENAME": "cpu9"}, "0.0.0.0"),  # Debian's own entry for a machine's name
        ({}, "0.0.0.0"),
        ({"SLURMD_NODENAME": "cpu8", "ATRIUM_NODE_NETWORK": "192.0.2.0/24"}, "192.0.2.8"),
        ({"SLURMD_NODENAME": "cpu8", "ATRIUM_NODE_NETWORK": "10.1.0.0/16"}, "10.1.0.5"),
        ({"SLURMD_NODENAME": "cpu8", "ATRIUM_NODE_NETWORK": "198.51.100.0/24"}, "0.0.0.0"),
    ],
)
@pytest.mark.usefixtures("node")
def test_the_address_is_the_one_the_hub_calls(variables: dict[str, str], address: str) -> None:
    assert listening.choose_address({"JUPYTERHUB_API_URL": "http://10.1.0.1:8081/hub/api", **variables}) == address


def test_the_way_to_the_hub_is_found_without_sending_anything() -> None:
    assert listening._source_address("http://127.0.0.1:9/hub/api") == "127.0.0.1"
    assert listening._source_address("") in ("127.0.0.1", "::1", "0.0.0.0")
