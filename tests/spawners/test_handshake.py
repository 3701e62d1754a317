"""The handshake accepts one port and a known farewell, and nothing else."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from jupyterhub import apihandlers
from tornado import web

from hub.slurm.jobs import Job
from spawners import handshake
from spawners.job.diagnosis import Farewell


def test_a_port_is_parsed():
    assert handshake.parse(b'{"port": 34567}') == 34567


@pytest.mark.parametrize("word", ["idle", "time limit", "finished", "unattended"])
def test_a_farewell_is_parsed(word):
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
def test_an_invalid_message_is_none(body):
    assert handshake.parse(body) is None


class Asked(handshake.HandshakeHandler):
    """The handler of one request, without the Hub around it."""

    def __init__(self, spawner, body):
        self.spawner, self.request, self.status = spawner, SimpleNamespace(body=body), 0

    log = logging.getLogger("test")

    def _sender(self):
        return self.spawner

    def set_status(self, status):
        self.status = status

    def set_header(self, _name, _value):
        pass

    def finish(self, text):
        self.answer = json.loads(text)


async def announced(spawner, port):
    handler = Asked(spawner, json.dumps({"port": port}).encode())
    try:
        await handler.post()
    except web.HTTPError as refused:
        return refused.status_code
    return handler.status


async def test_a_server_that_did_not_hear_the_answer_is_told_again():
    spawner = SimpleNamespace(_log_name="maria", awaits_port=False, has_port=lambda port: port == 34567)
    assert await announced(spawner, 34567) == 201
    assert await announced(spawner, 34568) == 409


@pytest.mark.parametrize("trouble", ["none", "fails", "hangs"])
async def test_a_farewell_is_answered_after_the_route_is_removed_or_soon(monkeypatch, trouble):
    monkeypatch.setattr(handshake, "ROUTE_SECONDS", 0.05)
    removed = []

    async def take_farewell(word):
        await asyncio.sleep(60 if trouble == "hangs" else 0.01)
        if trouble == "fails":
            raise OSError("the proxy does not answer")
        removed.append(word)

    spawner = SimpleNamespace(_log_name="maria", take_farewell=take_farewell)
    handler = Asked(spawner, b'{"farewell": "idle"}')
    async with asyncio.timeout(5):
        await handler.post()
    assert handler.status == 204
    assert removed == ([Farewell.IDLE] if trouble == "none" else [])


@pytest.mark.parametrize(
    ("job", "ends"),
    [
        (None, None),
        (Job(7, "RUNNING", "maria"), None),
        (Job(7, "RUNNING", "maria", end=datetime(2026, 11, 24, 14, tzinfo=UTC)), 1795528800.0),
    ],
)
def test_a_server_learns_when_its_job_ends(job, ends):
    handler = Asked(SimpleNamespace(latest_job=job), b"")
    handler.get()
    assert handler.answer == {"ends": ends}


def test_the_stock_route_is_gone_and_ours_is_there_once():
    handshake.install()
    handshake.install()
    assert [handler for route, handler in apihandlers.default_handlers if route == handshake.ROUTE] == [
        handshake.HandshakeHandler
    ]
