"""The ledger of attempts to start a server. Used by the spawners, which write it, and by the API, which reads it.

A row is stored before the job is submitted, and the job's number right after that; only Slurm's answer ends a row.
Every function commits what it changes and is safe to call again; a row that has ended does not change any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from hub.audit import service as audit
from hub.db.base import now
from hub.errors import NotFound
from hub.formats import clock
from hub.language import translate
from hub.mail import service as mail
from hub.servers.models import Attempt, AttemptState, Ending, Verdict
from hub.servers.tables import ServerAttempt
from hub.settings import Settings, load
from hub.slurm import naming
from hub.slurm.jobs import Job
from hub.slurm.naming import JobComment

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


def find_server(
    session: Session, *, gateway: str, person: str, server: str, attempt: int, nonce: str, job_id: int | None
) -> Attempt | None:
    """The row of an attempt as the Hub's state names it, or None.

    The row's number is not enough: after the restore of an older database it may be given once more.

    :param nonce: the random part of the job's comment; empty in states of earlier versions, whose number and job count.
    """
    query = select(ServerAttempt).where(
        ServerAttempt.gateway == gateway, ServerAttempt.person == person, ServerAttempt.server == server
    )
    if nonce:
        row = session.scalars(query.where(ServerAttempt.nonce == nonce)).first()
    else:
        row = session.scalars(query.where(ServerAttempt.id == attempt)).first()
        if row is not None and None not in (row.job_id, job_id) and row.job_id != job_id:
            row = None
    return None if row is None else Attempt.model_validate(row)


def rebuild(
    session: Session,
    *,
    gateway: str,
    person: str,
    os_account: str,
    server: str,
    request: dict[str, Any],
    nonce: str,
    row: int | None,
    job: Job,
    state: AttemptState,
    port: int | None,
) -> Attempt:
    """Store an attempt whose row was lost, or is older than what the Hub and Slurm know of it.

    :param row: number of the older row; None: a new row gets a new number, with the ``nonce`` of the job's comment.
    :param port: the announced port, which counts only in the state "ready".
    """
    current = None if row is None else session.get(ServerAttempt, row)
    if current is None:
        current = ServerAttempt(
            gateway=gateway,
            person=person,
            os_account=os_account,
            nonce=nonce,
            server=server,
            request=request,
            created=now(),
            submitted=now(),
        )
        session.add(current)
    current.job_id, current.state, current.node, current.ends = job.id, state, job.node, job.end
    is_started = state in (AttemptState.STARTING, AttemptState.READY)
    current.started = (job.start or now()) if is_started else None
    is_ready = state is AttemptState.READY
    current.ready, current.port = (now(), port) if is_ready else (None, None)
    session.flush()
    what = "attempt rebuilt from Slurm"
    audit.record(session, who="hub", what=what, on=f"job {job.id}", after={"person": person, "server": server})
    session.commit()
    return Attempt.model_validate(current)


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


def open_attempts(session: Session, gateway: str) -> list[Attempt]:
    """This gateway's attempts that have not ended, the oldest first."""
    query = select(ServerAttempt).where(ServerAttempt.gateway == gateway, ServerAttempt.state != AttemptState.ENDED)
    return [Attempt.model_validate(row) for row in session.scalars(query.order_by(ServerAttempt.id))]


@dataclass(frozen=True)
class JobOwner:
    """Owner of a job according to its row, for comparison with the job's comment."""

    os_account: str
    nonce: str
    is_open: bool
    """Whether the attempt has not ended."""
    attempt: int = 0
    """Number of the row. The comment of a row that was rebuilt names an earlier number."""


def job_owners(session: Session, gateway: str, comments: Iterable[JobComment]) -> dict[JobComment, JobOwner]:
    """Owners of jobs by their comments; comments without a row of this gateway are left out.

    A row is known by its nonce, user and server, because its number may have been given twice; rows of versions that
    had no nonces are known by their number.
    """
    distinct = set(comments)
    rows = _rows_with(session, gateway, ServerAttempt.nonce, {comment.nonce for comment in distinct if comment.nonce})
    numbers = {comment.attempt for comment in distinct if not comment.nonce and comment.attempt <= HIGHEST_ID}
    rows += [row for row in _rows_with(session, gateway, ServerAttempt.id, numbers) if not row.nonce]
    by_identity = {(row.nonce or row.id, row.person, row.server): row for row in rows}
    owners = {}
    for comment in distinct:
        row = by_identity.get((comment.nonce or comment.attempt, comment.user, comment.server))
        if row is not None:
            owners[comment] = JobOwner(row.os_account, row.nonce, row.state is not AttemptState.ENDED, row.id)
    return owners


def _rows_with(
    session: Session, gateway: str, column: InstrumentedAttribute[Any], values: Iterable[Any]
) -> list[ServerAttempt]:
    """Rows whose ``column`` has one of ``values``."""
    ordered = sorted(values)
    rows: list[ServerAttempt] = []
    for start in range(0, len(ordered), ROWS_AT_ONCE):
        chosen = column.in_(ordered[start : start + ROWS_AT_ONCE])
        rows += session.scalars(select(ServerAttempt).where(ServerAttempt.gateway == gateway, chosen)).all()
    return rows


def orphan(session: Session, event: str, job: Job, comment: str) -> None:
    """Record a job without a server in the audit trail.

    :param event: "orphan job found" or "orphan job cancelled".
    """
    audit.record(
        session, who="hub", what=event, on=f"job {job.id}", after={"person": job.user, "comment": comment[:200]}
    )
    session.commit()


def remove_ended_before(session: Session, moment: datetime) -> int:
    """Remove attempts that ended before ``moment``, :data:`ROWS_AT_ONCE` at most, and return their number."""
    query = select(ServerAttempt.id).where(ServerAttempt.ended < moment).limit(ROWS_AT_ONCE)
    numbers = session.scalars(query).all()
    session.execute(delete(ServerAttempt).where(ServerAttempt.id.in_(numbers)))
    session.commit()
    return len(numbers)


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
    mail.write_to(session, row.person, load(), subject=subject, text=text, key=key)


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
