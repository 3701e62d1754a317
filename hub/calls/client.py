"""The programme and its calls in :class:`hub.client.Api`."""

from __future__ import annotations

from hub.calls.models import (
    Calculation,
    CallChange,
    CallStatus,
    Hardware,
    Helper,
    ModeAdvice,
    Need,
    Programme,
    Workload,
)
from hub.connection import Connection, part


class Calls:
    """Methods of ``Api.calls``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def programme(self) -> Programme:
        """Modes, calls, systems, sectors, questions and criteria, each number with its source and date."""
        return self._connection.get("/programme", Programme)

    def machine(self) -> tuple[Hardware, ...]:
        """Nodes, cores and GPUs of each system, as Slurm has them; empty if Slurm has not answered yet."""
        return self._connection.get("/machine", tuple[Hardware, ...])

    def all(self) -> tuple[CallStatus, ...]:
        """All calls with their current state."""
        return self._connection.get("/calls", tuple[CallStatus, ...])

    def change(self, slug: str, change: CallChange) -> CallStatus:
        """Open, pause or close a call, or mark systems as full. For admins."""
        return self._connection.send("PUT", f"/calls/{part(slug)}", change, CallStatus)

    def helpers(self, *, country: str | None = None, sector: str | None = None) -> tuple[Helper, ...]:
        """Facilities and hubs that help in a country and sector, nearest first."""
        return self._connection.get("/helpers", tuple[Helper, ...], country=country, sector=sector)

    def advice(self, need: Need) -> tuple[ModeAdvice, ...]:
        """All access modes, the recommended one first, with reasons against the others."""
        return self._connection.send("POST", "/advice", need, tuple[ModeAdvice, ...])

    def calculation(self, workload: Workload) -> Calculation:
        """Estimated hours of a workload, with the formula."""
        return self._connection.send("POST", "/calculation", workload, Calculation)
