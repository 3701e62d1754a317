"""Which ports of the node are dashboards of the person's own Dask clusters."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import pytest
import yaml  # type: ignore[import-untyped]
from distributed import Scheduler

from spawners.node import dashboard_ports
from spawners.node.job_context import JobContext

ROOT = Path(__file__).parents[3]
OTHER_UID = 4242


@pytest.fixture
def context(context: JobContext, monkeypatch: pytest.MonkeyPatch) -> JobContext:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(context.runtime))
    context.make_directories()
    return context


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def scheduler_with(*listeners: socket.socket) -> Any:
    return SimpleNamespace(http_server=SimpleNamespace(_sockets={item.fileno(): item for item in listeners}))


def test_a_port_without_a_note_is_nobodys_dashboard(context: JobContext, listener: socket.socket) -> None:
    assert dashboard_ports.host(context, listener.getsockname()[1]) is None


async def test_dask_notes_the_dashboard_of_a_plain_scheduler(context: JobContext) -> None:
    settings = yaml.safe_load((ROOT / "widgets/dask/atrium.yaml").read_text())
    with dask.config.set({"distributed.scheduler.preload": settings["distributed"]["scheduler"]["preload"]}):
        async with Scheduler(port=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as scheduler:
            port = scheduler.http_server.port
            assert dashboard_ports.host(context, port) == "127.0.0.1"
    assert list(context.dashboards.iterdir()) == []


def test_a_dashboard_on_all_addresses_is_reached_at_loopback(context: JobContext) -> None:
    with socket.create_server(("", 0)) as listening:
        dashboard_ports.dask_setup(scheduler_with(listening))

        assert dashboard_ports.host(context, listening.getsockname()[1]) == "127.0.0.1"


def test_a_note_is_for_a_socket_and_not_for_a_port(context: JobContext, listener: socket.socket) -> None:
    dashboard_ports.dask_setup(scheduler_with(listener))
    port = listener.getsockname()[1]
    assert dashboard_ports.host(context, port) == "127.0.0.1"

    listener.close()
    assert dashboard_ports.host(context, port) is None
    with socket.create_server(("127.0.0.1", port)):
        assert dashboard_ports.host(context, port) is None


def test_a_socket_of_another_user_is_not_forwarded_to(context: JobContext, tmp_path: Path) -> None:
    context.dashboards.mkdir()
    (context.dashboards / "8000").write_text("77")
    table = tmp_path / "tcp"
    line = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid} 0 77 1 0 100 0 0 10 0\n"
    table.write_text("header\n" + line.format(uid=os.getuid()))
    assert dashboard_ports.host(context, 8000, table) == "127.0.0.1"

    table.write_text("header\n" + line.format(uid=OTHER_UID))
    assert dashboard_ports.host(context, 8000, table) is None
    table.write_text("header\n" + line.format(uid=os.getuid()) + line.format(uid=OTHER_UID))
    assert dashboard_ports.host(context, 8000, table) is None


def test_a_scheduler_without_a_server_beside_it_notes_nothing(
    listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "gone"))
    dashboard_ports.dask_setup(scheduler_with(listener))

    assert not (tmp_path / "gone").exists()


def test_the_link_is_dasks_template(context: JobContext) -> None:
    assert dashboard_ports.link(context).format(port=8787) == "/user/maria/atrium/clusters/8787/dashboard/status"
