"""The way of a kernel's output from the server to a page, with Jupyter's limit on its rate."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

NOTE = (
    "\n{count:,} pieces of output are not shown here: the cell sent them faster than a page can show them. Show less "
    "at a time, or write the results to a file."
)


class CountingConnection(ZMQChannelsWebsocketConnection):
    """Jupyter's connection, which says in the cell how much its limit has left out of it.

    Jupyter's own note comes as the limit is reached; ours, with the number, as the cell ends.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._left_out: dict[str, tuple[int, dict[str, Any]]] = {}
        """Number of messages and parent header, by the parent's id."""

    def _limit_rate(self, channel: str, msg: dict[str, Any], msg_list: list[Any]) -> bool:
        """Whether a message is left out."""
        leaves_out = bool(super()._limit_rate(channel, msg, msg_list))
        if leaves_out:
            parent = self.get_part("parent_header", msg["parent_header"], msg_list)
            count, _ = self._left_out.get(parent.get("msg_id", ""), (0, {}))
            self._left_out[parent.get("msg_id", "")] = (count + 1, parent)
        elif self._left_out and _is_idle(msg):
            self._say_what_was_left_out()
        return leaves_out

    def _say_what_was_left_out(self) -> None:
        for count, parent in self._left_out.values():
            self.write_stderr(NOTE.format(count=count), parent)
        self._left_out = {}


def _is_idle(msg: dict[str, Any]) -> bool:
    """Whether a message on IOPub, whose content the limit has read if it is a state, says "idle"."""
    header, content = msg["header"] or {}, msg["content"] or {}
    return header.get("msg_type") == "status" and content.get("execution_state") == "idle"
