"""The log of a server stays short."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from spawners.node import output


@pytest.mark.parametrize("flags", [os.O_APPEND, 0])
def test_a_long_log_keeps_its_end_and_what_comes_next_comes_after_it(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags)
    for number in range(1000):
        os.write(descriptor, f"line {number}\n".encode())

    assert output.cut(descriptor, longest=5_000, end_bytes=100)
    os.write(descriptor, b"the next line\n")
    lines = path.read_text().splitlines()
    os.close(descriptor)

    assert lines[0].startswith("[ ... earlier lines were removed")
    assert lines[1].startswith("line 98")
    assert lines[-2:] == ["line 999", "the next line"]
    assert path.stat().st_size < 300


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        file.write("one line\n")
        file.flush()
        assert not output.cut(file.fileno(), longest=5_000)


async def test_the_log_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch(0o644)
    with path.open("w") as file, pytest.raises(TimeoutError):
        await asyncio.wait_for(output.keep_short(file.fileno()), 0.05)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_pipe_is_not_watched() -> None:
    reading, writing = os.pipe()
    await output.keep_short(writing)  # comes back: there is nothing to look at
    os.close(reading)
    os.close(writing)
