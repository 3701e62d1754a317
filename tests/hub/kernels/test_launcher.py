"""The socket for a kernel's output: real ZeroMQ sockets, and readers that are slow or take nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from ipykernel.iostream import IOPubThread
from jupyter_client.session import Session

from hub.kernels.launcher import PatientSocket, make_patient
from tests.polling import eventually

SESSION = Session(key=b"key")
CELLS = [{"msg_id": f"cell-{number}", "msg_type": "execute_request"} for number in range(3)]
SHORT = 0.1


class Wire:
    """A kernel's socket and its readers, over IPC like kernels."""

    def __init__(self, kind: int, address: str) -> None:
        self.address = address
        self.context = zmq.Context()
        self.own = self.context.socket(kind)
        self.own.linger = 0
        self.own.bind(address)

    def reader(self, limit: int) -> zmq.Socket[bytes]:
        reader = self.context.socket(zmq.SUB)
        reader.rcvhwm, reader.linger = limit, 0
        reader.subscribe(b"")
        reader.connect(self.address)
        time.sleep(0.2)  # a subscription has no answer
        return reader


class CountingSocket:
    """A kernel's socket that counts how often a message waited in vain for a reader."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.waits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def send_multipart(self, parts: list[bytes], flags: int = 0) -> None:
        try:
            self._socket.send_multipart(parts, flags)
        except zmq.Again:
            self.waits += not flags & zmq.DONTWAIT
            raise


@pytest.fixture(params=[zmq.XPUB, zmq.PUB], ids=["XPUB", "PUB of older ipykernels"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(request.param, f"ipc://{tmp_path}/iopub")
    yield wire
    wire.context.destroy(0)


def message(kind: str, cell: int, **content: object) -> list[bytes]:
    return SESSION.serialize(SESSION.msg(kind, content, parent=CELLS[cell]), ident=kind.encode())


def received(reader: zmq.Socket[bytes], within: float = 1.0) -> list[tuple[str, str, dict]]:
    """Type, cell and content of everything that waits for a reader."""
    reader.rcvtimeo, messages = int(within * 1000), []
    session = Session(key=SESSION.key)  # of its own: one session accepts no message twice
    while True:
        try:
            _, parts = session.feed_identities(reader.recv_multipart())
        except zmq.Again:
            return messages
        model = session.deserialize(parts)
        if model["msg_type"] != "iopub_welcome":
            messages.append((model["msg_type"], model["parent_header"].get("msg_id", ""), model["content"]))


def run_cell(socket: PatientSocket, cell: int, outputs: int) -> None:
    socket.send_multipart(message("status", cell, execution_state="busy"))
    for number in range(outputs):
        socket.send_multipart(message("display_data", cell, data={"text/plain": "x" * 500}, number=number))
    socket.send_multipart(message("status", cell, execution_state="idle"))


def test_a_slow_reader_gets_everything(wire: Wire) -> None:
    """It begins when the kernel has sent most messages, more than fit in any buffer between them, or waits for it."""
    socket, reader, messages = PatientSocket(wire.own, SESSION, 10, 60), wire.reader(1), []
    outputs = [message("display_data", 0, text="x" * 500, number=number) for number in range(1500)]
    many = threading.Event()

    def read() -> None:
        many.wait(5)
        while len(messages) < 1500:
            messages.append(reader.recv_multipart())

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    for number, output in enumerate(outputs):
        socket.send_multipart(output)
        if number == 1400:
            many.set()
    reading.join(60)

    assert len(messages) == 1500


def test_states_reach_a_reader_that_took_nothing_and_the_cell_says_what_is_missing(wire: Wire) -> None:
    own = CountingSocket(wire.own)
    socket, reader, other = PatientSocket(own, SESSION, 50, SHORT), wire.reader(1), wire.reader(0)
    for cell in range(3):
        run_cell(socket, cell, 1500)
    assert own.waits == 1, "the kernel waits once, not for each message"

    for messages in (received(reader), received(other)):
        states = [(cell, content["execution_state"]) for kind, cell, content in messages if kind == "status"]
        assert states == [(f"cell-{cell}", state) for cell in range(3) for state in ("busy", "idle")]
        for cell in ("cell-0", "cell-1", "cell-2"):
            assert shown(messages, cell) + missing(messages, cell) == 1500, cell
        assert missing(messages, "cell-2") == 1500
        assert [(kind, cell) for kind, cell, _ in messages[-2:]] == [("stream", "cell-2"), ("status", "cell-2")]


def shown(messages: list[tuple[str, str, dict]], cell: str) -> int:
    return sum(kind == "display_data" and parent == cell for kind, parent, _ in messages)


def missing(messages: list[tuple[str, str, dict]], cell: str) -> int:
    """What the notes below a cell say in all."""
    notes = [content for kind, parent, content in messages if kind == "stream" and parent == cell]
    assert all(note["name"] == "stderr" and "pieces of output are missing here" in note["text"] for note in notes)
    return sum(int(note["text"].split()[0].replace(",", "")) for note in notes)


def test_a_reader_that_reads_again_gets_everything_again(wire: Wire) -> None:
    socket, reader = PatientSocket(wire.own, SESSION, 50, SHORT), wire.reader(1)
    run_cell(socket, 0, 1500)
    assert missing(received(reader), "cell-0")

    run_cell(socket, 1, 20)
    messages = received(reader)
    assert (shown(messages, "cell-1"), missing(messages, "cell-1")) == (20, 0)


def test_a_message_of_another_form_is_left_out_like_output(wire: Wire) -> None:
    socket, reader = PatientSocket(wire.own, SESSION, 50, SHORT), wire.reader(1)
    run_cell(socket, 0, 1500)
    socket.send_multipart([b"no message of Jupyter"])
    run_cell(socket, 1, 0)
    assert received(reader)[-1][:2] == ("status", "cell-1")


def test_a_kernels_own_socket_is_replaced_in_its_own_thread(wire: Wire) -> None:
    thread = IOPubThread(wire.own, pipe=True, session=SESSION)
    thread.start()
    try:
        make_patient(SimpleNamespace(iopub_thread=thread, session=SESSION))
        eventually(lambda: isinstance(thread.socket, PatientSocket), within=10, what="the patient socket")
        assert (wire.own.sndhwm, wire.own.sndtimeo) == (10_000, 10_000)
        reader = wire.reader(0)
        thread.send_multipart(message("status", 0, execution_state="idle"))
        assert ("status", "cell-0", {"execution_state": "idle"}) in received(reader)
    finally:
        thread.stop()
        thread.close()
    assert wire.own.closed
