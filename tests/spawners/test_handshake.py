"""One port, one word of farewell, and nothing else."""

import json

import pytest
from jupyterhub import apihandlers

from spawners import handshake
from spawners.failures import Farewell


def test_a_port_is_taken():
    assert handshake.parse(b'{"port": 34567}') == 34567


@pytest.mark.parametrize("word", ["idle", "time limit", "finished"])
def test_a_farewell_is_heard(word):
    assert handshake.parse(json.dumps({"farewell": word}).encode()) is Farewell(word)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"34567",
        b'"x"',
        b"{}",
        b"\xff\xfe",
        b'{"port": "34567"}',
        b'{"port": 34567.0}',
        b'{"port": true}',
        b'{"port": null}',
        b'{"port": 22}',
        b'{"port": 65536}',
        b'{"port": -1}',
        b'{"port": 34567, "cmd": ["/bin/sh"]}',
        b'{"ip": "10.0.0.1"}',
        b'{"port": [34567]}',
        b'{"farewell": ""}',
        b'{"farewell": "bye"}',
        b'{"farewell": ["idle"]}',
        b'{"farewell": "idle", "port": 34567}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_not(body):
    assert handshake.parse(body) is None


def test_the_stock_route_is_gone_and_ours_is_there_once():
    handshake.install()
    handshake.install()
    assert [handler for route, handler in apihandlers.default_handlers if route == handshake.ROUTE] == [
        handshake.HandshakeHandler
    ]
