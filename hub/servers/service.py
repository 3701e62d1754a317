"""The ledger of attempts to start a server. Used by the spawners, which write it, and by the API, which reads it.

A row is stored before the job is submitted, and the job's number right after that; only Slurm's answer ends a row.
Every function commits what it changes and is safe to call again; a row that has ended does not change any more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.db.base import now
from hub.errors import InvalidInput, NotFound
from hub.formats import clock
from hub.language import translate
from hub.mail import service as mail
from hub.servers.models import Attempt, AttemptState, Ending, Verdict
from hub.servers.tables import ServerAttempt
from hub.settings import Settings, load
from hub.slurm import naming
from hub.slurm.jobs import Job

logger = logging.getLogger(__name__)

_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
LONGEST_LOG = 8_000
"""Characters kept of what a job wrote."""
HIGHEST_ID = 2**31 - 1
"""Of a row: PostgreSQL refuses a question about a higher one, and a comment may name any."""
ROWS_AT_ONCE = 500
"""Rows in one question to the database, which takes a limited number of values."""


def begin(
    session: Session, *, gateway: str, person: str, os_account: str, server: str, request: dict[str, Any]
) -> Attempt:
    """Store a new attempt, before Slurm is asked for anything.

    :param os_account: the account that the job will run as.
    """
    row = ServerAttempt(
        gateway=gateway,
        person=person,
        os_account=os_account,
        nonce=naming.new_nonce(),
        server=server,
        request=request,
        state=AttemptState.SUBMITTING,
        created=now(),
    )
    session.add(row)
    session.commit()
    return Attempt.model_validate(row)


def find(session: Session, attempt: int) -> Attempt | None:
    """The attempt with this number, or None."""
    row = session.get(ServerAttempt, attempt)
    return None if row is None else Attempt.model_validate(row)


def submitted(session: Session, attempt: int, job_id: int) -> None:
    """Store the number of the job that Slurm accepted."""
    row = _open_row(session, attempt)
    if row is not None:
        row.job_id, row.submitted, row.state = job_id, now(), AttemptState.WAITING
        session.commit()


def started(session: Session, attempt: int, *, node: str, ends: datetime | None) -> None:
    """Store the node that the job runs on, and when its time limit ends it."""
    row = _open_row(session, attempt)
    if row is not None:
        row.node, row.ends, row.started = node, ends, row.started or now()
        row.state = AttemptState.STARTING
        session.commit()


def requeued(session: Session, attempt: int) -> None:
    """Note that Slurm put the job back into the queue: it starts again, on another node."""
    row = _open_row(session, attempt)
    if row is not None:
        row.requeues += 1
        row.node, row.port, row.started, row.ends = "", None, None, None
        row.state = AttemptState.WAITING
        session.commit()


def announced(session: Session, attempt: int, port: int) -> None:
    """Store the port that the server announced, for a Hub that is restarted before the server is ready."""
    row = _open_row(session, attempt)
    if row is not None:
        row.port = port
        session.commit()


def ready(session: Session, attempt: int) -> None:
    """Note that the server answers, and write to the person if they asked for it."""
    row = _open_row(session, attempt)
    if row is not None:
        row.state, row.ready = AttemptState.READY, row.ready or now()
        if row.tell:
            _send_email(session, row, *_ready_email(row))
        session.commit()


def stopping(session: Session, attempt: int) -> None:
    """Note that the server is being stopped; it has ended only when Slurm says so."""
    row = _open_row(session, attempt)
    if row is not None:
        row.state = AttemptState.STOPPING
        session.commit()


def ended(session: Session, attempt: int, verdict: Verdict, job: Job | None = None, log_tail: str = "") -> None:
    """Note that the attempt is over, and why. Only the first call for an attempt counts."""
    row = _open_row(session, attempt)
    if row is None:
        return
    row.state, row.ended = AttemptState.ENDED, now()
    row.ending, row.hint = verdict.ending, verdict.hint[:1000]
    # A log may hold NUL characters, which PostgreSQL refuses; the row would then never end.
    row.message, row.log_tail = _readable(verdict.message)[:1000], _readable(log_tail)[-LONGEST_LOG:]
    if job is not None:
        row.slurm_state, row.exit_code, row.reason = job.state[:40], job.exit_code[:20], job.reason[:200]
        row.node = row.node or job.node
    if row.tell and row.ready is None and row.ending is not Ending.STOPPED:
        _send_email(session, row, *_failed_email(row))
    session.commit()


def _readable(text: str) -> str:
    """The text with control characters replaced, including those that move a terminal's cursor."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def tell_when_ready(session: Session, person: str, server: str, tell: bool) -> None:
    """Set whether the person gets an email when this start succeeds or fails.

    :raises NotFound: no start of this server is under way.
    """
    row = session.scalars(
        select(ServerAttempt)
        .where(
            ServerAttempt.person == person,
            ServerAttempt.server == server,
            ServerAttempt.state.in_((AttemptState.SUBMITTING, AttemptState.WAITING, AttemptState.STARTING)),
        )
        .order_by(ServerAttempt.id.desc())
    ).first()
    if row is None:
        raise NotFound("No start of this server is on its way.")
    row.tell = tell
    session.commit()


def open_jobs(session: Session, gateway: str) -> frozenset[int]:
    """Numbers of the jobs of this gateway's attempts that have not ended."""
    numbers = session.scalars(
        select(ServerAttempt.job_id).where(
            ServerAttempt.gateway == gateway,
            ServerAttempt.state != AttemptState.ENDED,
            ServerAttempt.job_id.is_not(None),
        )
    )
    return frozenset(number for number in numbers if number is not None)


@dataclass(frozen=True)
class JobOwner:
    """Owner of a job according to its row, for comparison with the job's comment."""

    os_account: str
    nonce: str
    is_open: bool
    """Whether the attempt has not ended."""


def job_owners(session: Session, gateway: str, attempts: Iterable[int]) -> dict[int, JobOwner]:
    """Owners by the number of the attempt; numbers without a row of this gateway are left out."""
    numbers, owners = sorted(number for number in set(attempts) if number <= HIGHEST_ID), {}
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        rows = session.scalars(
            select(ServerAttempt).where(
                ServerAttempt.gateway == gateway, ServerAttempt.id.in_(numbers[start : start + ROWS_AT_ONCE])
            )
        )
        for row in rows:
            owners[row.id] = JobOwner(row.os_account, row.nonce, row.state is not AttemptState.ENDED)
    return owners


def orphan(session: Session, event: str, job: Job, comment: str) -> None:
    """Record a job without a server in the audit trail.

    :param event: "orphan job found" or "orphan job cancelled".
    """
    audit.record(
        session, who="hub", what=event, on=f"job {job.id}", after={"person": job.user, "comment": comment[:200]}
    )
    session.commit()


def history(session: Session, person: str, *, server: str | None = None, limit: int = 20) -> list[Attempt]:
    """A person's attempts, newest first; ``server`` None: of all their servers."""
    query = select(ServerAttempt).where(ServerAttempt.person == person)
    if server is not None:
        query = query.where(ServerAttempt.server == server)
    rows = session.scalars(query.order_by(ServerAttempt.id.desc()).limit(limit))
    return [Attempt.model_validate(row) for row in rows]


def _open_row(session: Session, attempt: int) -> ServerAttempt | None:
    """The row of an attempt that has not ended."""
    row = session.get(ServerAttempt, attempt)
    return row if row is not None and row.state is not AttemptState.ENDED else None


# -- emails to people who left the waiting page ------------------------------------------------------------------------


def _send_email(session: Session, row: ServerAttempt, subject: str, text: str) -> None:
    """Queue an email in the transaction that changes the row, once for each time that the attempt enters the state."""
    key = f"server-{row.id}-{row.state}-{row.requeues}"
    try:
        mail.enqueue(session, to=mail.address_of(row.person, load()), subject=subject, text=text, key=key)
    except InvalidInput as error:
        logger.warning("No email to %s, whose address is invalid: %s", row.person, error.message)


def _ready_email(row: ServerAttempt) -> tuple[str, str]:
    settings = load()
    lines = [
        translate("Your notebook{name} is ready on node {node}. Open it:").format(name=_name(row), node=row.node),
        _address(row, settings),
    ]
    if row.ends is not None:
        lines.append(translate("It ends at {time}.").format(time=clock(row.ends)))
    lines.append(
        translate("If you do not need it any more, stop it on the start page, so that its node is free for others:")
    )
    return translate("Your notebook{name} is ready").format(name=_name(row)), "\n\n".join(
        [*lines, f"{settings.site.public_url}/hub/home\n"]
    )


def _failed_email(row: ServerAttempt) -> tuple[str, str]:
    settings = load()
    lines = [
        translate("Your notebook{name} did not start.").format(name=_name(row)),
        f"{row.message} {row.hint}".strip(),
        translate("What happened, and how to try again:"),
        f"{_address(row, settings)}\n",
    ]
    return translate("Your notebook{name} did not start").format(name=_name(row)), "\n\n".join(lines)


def _name(row: ServerAttempt) -> str:
    return f" “{row.server}”" if row.server else ""


def _address(row: ServerAttempt, settings: Settings) -> str:
    """Address of the page that leads to the server, or says why it did not start."""
    return f"{settings.site.public_url}/hub/spawn-pending/{row.person}/{row.server}".rstrip("/")
