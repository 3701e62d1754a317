"""Much output of kernels of a person's server, as its job starts it, over a page's web socket."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from hub.kernels.manager import LAUNCHER
from tests.node_server import browser, node_server

pytestmark = [pytest.mark.process, pytest.mark.timeout(600, func_only=True)]

DISPLAYS = "from IPython.display import display\nfor number in range(6000):\n    display(number)"
PRINTS = "for number in range(3000):\n    print(number, flush=True)"
CELL_SECONDS = 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    kernel = home / ".local/share/jupyter/kernels/mine"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "Mine", "language": "python"}))
    (home / "launcher.py").write_text("raise SystemExit('a module of the home')")
    return home


@pytest.fixture(scope="module")
def person(home: Path) -> Iterator[httpx2.Client]:
    with node_server(home) as address, closing(browser(address)) as client:
        client.base_url = httpx2.URL(address)
        yield client


@pytest.mark.parametrize("name", ["python3", "mine"])
@pytest.mark.parametrize("code", [PRINTS, DISPLAYS], ids=["prints", "displays"])
async def test_a_cell_ends_and_says_what_is_missing(person: httpx2.Client, name: str, code: str) -> None:
    kernel = started(person, name)
    try:
        messages = await output(person, kernel, code)
    finally:
        person.delete(f"api/kernels/{kernel}", headers=xsrf(person))

    kinds = Counter(message["msg_type"] for message in messages)
    lines = sum(message["content"].get("text", "").count("\n") for message in messages if stream(message, "stdout"))
    notes = "".join(message["content"]["text"] for message in messages if stream(message, "stderr"))
    missing = [int(line.split()[0].replace(",", "")) for line in notes.splitlines() if "pieces of output" in line]
    assert kinds["display_data"] + lines + sum(missing) == (6000 if code is DISPLAYS else 3000), (kinds, notes)
    assert bool(missing) == ("rate exceeded" in notes)


def stream(message: dict[str, Any], name: str) -> bool:
    return message["msg_type"] == "stream" and message["content"]["name"] == name


def xsrf(person: httpx2.Client) -> dict[str, str]:
    return {"X-XSRFToken": person.cookies["_xsrf"]}


def started(person: httpx2.Client, name: str) -> str:
    answer = person.post("api/kernels", json={"name": name}, headers=xsrf(person))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def output(person: httpx2.Client, kernel: str, code: str) -> list[dict[str, Any]]:
    """Everything on IOPub from a cell, to its "idle"."""
    url = f"{person.base_url}api/kernels/{kernel}/channels?session_id={uuid4().hex}".replace("http", "ws", 1)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies.jar)
    socket = await websocket_connect(HTTPRequest(url, headers={"Cookie": cookies, "Origin": person.headers["Origin"]}))
    header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "username": "", "session": "", "version": "5.4"}
    request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": {"code": code}}
    await socket.write_message(json.dumps(request))
    try:
        async with asyncio.timeout(CELL_SECONDS):
            return await until_idle(socket, header["msg_id"])
    finally:
        socket.close()


async def until_idle(socket: WebSocketClientConnection, cell: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["content"].get("execution_state") != "idle":
        text = await socket.read_message()
        assert text is not None, "the socket was closed"
        message = json.loads(text)
        if message["channel"] == "iopub" and message["parent_header"].get("msg_id") == cell:
            messages.append(message)
    return messages


async def test_a_kernel_is_what_it_is_without_our_launcher(person: httpx2.Client) -> None:
    kernel = started(person, "mine")
    messages = await output(person, kernel, "import sys, __main__; print(sys.path[0], hasattr(__main__, '__file__'))")
    printed = "".join(message["content"]["text"] for message in messages if stream(message, "stdout"))
    commands = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    person.delete(f"api/kernels/{kernel}", headers=xsrf(person))

    assert LAUNCHER not in printed
    assert printed.endswith("False\n")
    assert any(LAUNCHER in command for command in commands)
