"""Owners of ports and processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deploy.dev.layout import Layout, Options
from deploy.dev.processes import has_ipv6, is_free, of_copy


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        pytest.param(socket.AF_INET6, "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")),
    ],
)
def test_a_port_is_taken_on_either_loopback_address(family: socket.AddressFamily, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


@pytest.fixture
def impostor() -> Iterator[int]:
    """A process of a person that carries the mark of our supervisor."""
    mark = f"unix://{Layout(Options()).supervisor_socket}"
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        env={"SUPERVISOR_SERVER_URL": mark},
        user=12345 if os.geteuid() == 0 else None,
    )
    yield sleeper.pid
    sleeper.kill()
    sleeper.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="another OS user is needed")
def test_a_process_of_another_user_is_not_counted_as_ours(impostor: int) -> None:
    assert impostor not in {process.pid for process in of_copy(Layout(Options()))}
