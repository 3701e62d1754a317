"""Starts an IPython kernel whose output waits for its readers.

ipykernel's socket for output drops messages silently once a reader is 1,000 behind, "idle" included, so that a
cell seems to run for ever. This file is run by ``__main__.py`` in the Python of any environment (3.8 and later), and
imports nothing but ipykernel and what that needs.
"""

from __future__ import annotations

import sys
from typing import Any, Dict, List  # noqa: UP035  names for Python 3.8

import zmq
from ipykernel.kernelapp import IPKernelApp

HIGH_WATER = 10_000
"""Messages that wait in the kernel for a reader; beyond, the kernel waits for the reader."""
PATIENCE_SECONDS = 10.0
"""How long the kernel waits before it leaves output out."""

Parts = List[Any]  # noqa: UP006
"""A message on the wire: topic, delimiter, signature, header, parent header, metadata, content, buffers."""


class PatientSocket:
    """The kernel's socket for output. It belongs to the thread that sends output, like the socket itself.

    A reader that takes nothing for ``patience`` seconds holds the kernel up once. From then on output is left out and
    counted, until every reader reads again; states ("busy", "idle") are queued for all of them in any case.
    """

    def __init__(self, socket: Any, session: Any, high_water: int = HIGH_WATER, patience: float = PATIENCE_SECONDS):
        self._socket, self._session, self._high_water = socket, session, high_water
        self._left_out: Dict[bytes, int] = {}  # noqa: UP006
        """Number of messages left out, by the parent header (the cell) on the wire."""
        self._waits = True
        self._patience = patience
        socket.setsockopt(zmq.SNDHWM, high_water)
        socket.setsockopt(zmq.SNDTIMEO, int(patience * 1000))
        socket.setsockopt(zmq.XPUB_NODROP, 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def send_multipart(self, parts: Parts, flags: int = 0, **options: Any) -> None:
        """Send a message, after a note for each cell whose output was left out before."""
        try:
            self._send_notes()
            self._socket.send_multipart(parts, flags if self._waits else flags | zmq.DONTWAIT, **options)
            self._waits = True
        except zmq.Again:
            self._waits = False
            kind, parent = self._header(parts)
            if kind == "status":
                self._send_beyond_limit(parts)
            else:
                self._left_out[parent] = self._left_out.get(parent, 0) + 1

    def _send_notes(self) -> None:
        """Send what is missing to the cells it is missing in; raises :class:`zmq.Again` if a reader takes nothing."""
        for parent, count in list(self._left_out.items()):
            self._socket.send_multipart(self._note(parent, count), zmq.DONTWAIT)
            del self._left_out[parent]

    def _send_beyond_limit(self, parts: Parts) -> None:
        """Queue the notes and a state for every reader, whatever waits for it already."""
        self._socket.setsockopt(zmq.SNDHWM, 0)
        try:
            self._send_notes()
            self._socket.send_multipart(parts, zmq.DONTWAIT)
        finally:
            self._socket.setsockopt(zmq.SNDHWM, self._high_water)

    def _header(self, parts: Parts) -> tuple[str, bytes]:
        """Type and parent header; "" for a message that is none of Jupyter's."""
        try:
            _, message = self._session.feed_identities(parts)
            return str(self._session.unpack(message[1])["msg_type"]), bytes(message[2])
        except (ValueError, KeyError, IndexError):
            return "", b"{}"

    def _note(self, parent: bytes, count: int) -> Parts:
        text = (
            f"\n{count:,} pieces of output are missing here: a program that shows this notebook took none for "
            f"{self._patience:.0f} s. Run the cell again, or write its results to a file.\n"
        )
        message = self._session.msg("stream", {"name": "stderr", "text": text})
        message["parent_header"] = self._session.unpack(parent)
        return list(self._session.serialize(message, ident=b"stream.stderr"))


def make_patient(app: Any) -> None:
    """Put the patient socket in the place of a kernel's own."""
    thread = app.iopub_thread

    def replace() -> None:
        thread.socket = PatientSocket(thread.socket, app.session)

    thread.schedule(replace)  # a socket is used by one thread only


def main() -> None:
    """ipykernel's own start, with the patient socket."""
    app: Any = IPKernelApp.instance()
    app.initialize()
    try:
        make_patient(app)
    except Exception as error:  # an ipykernel of another age: rather a kernel that may drop output than none
        print(f"Output of this kernel may be dropped: {error!r}", file=sys.__stderr__)
    app.start()


if __name__ == "__main__":
    main()
