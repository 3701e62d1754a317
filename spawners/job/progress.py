"""Progress of a start, for the waiting page and the Hub's progress API. Pure; never raises."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub.language import ENGLISH, current, duration, mark, translate
from hub.servers.models import AttemptState
from hub.slurm import reasons
from hub.slurm.jobs import Job, Phase
from hub.slurm.steps import StartStep
from spawners.job.steps import DOING

log = logging.getLogger(__name__)

_NOT_FOR_EVER = mark("If that does not change, this start is ended, and this page says what it was at.")


@dataclass(frozen=True)
class Standing:
    """Everything the spawner knows about a start. Times are UTC."""

    state: AttemptState = AttemptState.SUBMITTING
    job_id: int | None = None
    job: Job | None = None
    """As Slurm last told it; None while it has told nothing."""
    place: int | None = None
    """How many-th it is in the queue of its partition, counted from 1; None when not known."""
    partition: str = ""
    """As it was asked for; a job that is known tells its own."""
    requeues: int = 0
    """How often Slurm took its node away and put it back into the queue."""
    step: StartStep | None = None
    """What its server is at, when that takes long."""
    silent_since: datetime | None = None
    """Slurm's last answer, when it does not answer now."""


def event(standing: Standing, now: datetime | None = None) -> dict[str, Any]:
    """The current event: ``progress`` (percent), ``message`` (sentences for the reader), and for programs
    ``state``, ``job_id``, ``place``, ``partition``, ``reason`` (Slurm's word), ``whose`` (:class:`reasons.Whose`),
    ``expected_start``, ``node``, ``step`` of a start that takes long (:class:`hub.slurm.steps.StartStep`, "unknown" if
    its log does not say) and ``silent_since`` (ISO 8601, UTC; left out when not known).
    """
    try:
        return _event(standing, now or datetime.now(UTC))
    except Exception:  # an error in the text must not end the start
        log.exception("No words for %r", standing)
        return {"progress": 10, "message": translate("Your notebook is on its way."), "state": "waiting"}


def _event(standing: Standing, now: datetime) -> dict[str, Any]:
    step, percent, message = _step(standing, now)
    job = standing.job
    waiting = step == "waiting"
    known = {
        "state": step,
        "job_id": standing.job_id,
        "place": _place(standing, job) if job and waiting else None,
        "partition": (job.partition if job else "") or standing.partition,
        "reason": job.reason if job and waiting else "",
        "whose": str(reasons.waiting(job).whose) if job and waiting else "",
        "expected_start": _iso(_expected(job, now)) if waiting else "",
        "node": job.node if job else "",
        "step": (standing.step or "unknown") if step == "starting" and standing.step is not None else "",
        "silent_since": _iso(standing.silent_since),
    }
    if standing.silent_since:
        message = f"{message} {translate('Slurm does not answer at the moment; your start goes on.')}"
    return {
        "progress": percent,
        "message": message,
        **{name: value for name, value in known.items() if value not in (None, "")},
    }


def _step(standing: Standing, now: datetime) -> tuple[str, int, str]:
    """Name of the step, percent and sentence."""
    job = standing.job
    if job is None or standing.state in (AttemptState.STOPPING, AttemptState.READY):
        return _without_a_job(standing)
    if job.is_over:
        message = translate("The job is over ({state}). Finding out why.").format(state=reasons.state(job.state))
        return "ended", 90, message
    if job.is_paused:
        return "starting", 60, translate("The cluster has paused your notebook. It goes on by itself.")
    if job.phase is Phase.RUNNING and job.node:
        message = translate("Node {node} is yours. Your notebook server is starting.").format(node=job.node)
        if standing.step is not None:
            message = f"{message} {translate(DOING[standing.step])} {translate(_NOT_FOR_EVER)}"
        return "starting", 70, message
    if job.state.upper().startswith("CONFIGURING"):
        return "configuring", 50, translate("Its node is being prepared, which may take some minutes.")
    return "waiting", 25, _waiting(standing, job, now)


def _without_a_job(standing: Standing) -> tuple[str, int, str]:
    if standing.state is AttemptState.STOPPING:
        return "stopping", 90, translate("Your notebook is being stopped.")
    if standing.state is AttemptState.READY:
        return "ready", 100, translate("Your notebook is ready.")
    if standing.job_id is not None:
        return "submitted", 15, translate("Slurm has your notebook as job {job}.").format(job=standing.job_id)
    return "submitting", 5, translate("Handing your notebook to Slurm.")


def _waiting(standing: Standing, job: Job, now: datetime) -> str:
    partition = job.partition or standing.partition
    why = reasons.waiting(job)
    if why.whose is reasons.Whose.TIME:
        sentences = [translate("Waiting for a free node in {partition}.").format(partition=partition)]
        if job.reason not in ("", "None", "Priority", "Resources"):
            sentences.append(str(why))
    else:
        sentences = [translate("Waiting in {partition}.").format(partition=partition), str(why)]
    if standing.requeues:
        sentences.insert(0, translate("Its node was taken away, so it is in the queue again; nothing is lost."))
    place = _place(standing, job)
    if place == 1:
        sentences.append(translate("You are next in line."))
    elif place:
        sentences.append(translate("You are {nth} in line.").format(nth=nth(place)))
    expected = _expected(job, now)
    if expected:
        sentences.append(translate("Slurm expects to start it in {time}.").format(time=about(expected, now)))
    return " ".join(sentences)


def _place(standing: Standing, job: Job) -> int | None:
    """Its place in line; None: not known, or it is held and does not get its turn."""
    return None if reasons.is_held(job) else standing.place


def _expected(job: Job | None, now: datetime) -> datetime | None:
    """The start that Slurm expects, unless it is past, or depends on somebody and not on time."""
    if job is None or job.start is None or job.start <= now:
        return None
    return job.start if reasons.waiting(job).whose is reasons.Whose.TIME else None


def about(then: datetime, now: datetime) -> str:
    """A duration such as ``about 6 min``; longer ones are rounded more, so that the text changes rarely."""
    minutes = max(1.0, (then - now).total_seconds() / 60)
    step = 1 if minutes < 10 else 5 if minutes < 60 else 15 if minutes < 300 else 60
    return translate("about {time}").format(time=duration(60 * _steps(minutes, step)))


def nth(place: int) -> str:
    """An ordinal: ``3rd`` in English, ``3.`` in other languages."""
    if current() != ENGLISH:
        return f"{place}."
    ending = "th" if 10 < place % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def _steps(value: float, step: int) -> float:
    return max(step, step * round(value / step))


def _iso(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""
