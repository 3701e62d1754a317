"""Slurm's words as sentences for people. Pure, and cannot raise."""

from __future__ import annotations

from typing import Any

from hub.slurm.jobs import Job, Phase

# Slurm's reasons that people meet most; the others are shown as Slurm says them.
_REASONS = {
    "Priority": "others are before you in the queue",
    "Resources": "no node has what you asked for free just now",
    "None": "Slurm is about to look at it",
    "QOSMaxJobsPerUserLimit": "you already run as many jobs as one person may",
    "QOSMaxCpuPerUserLimit": "your running jobs already use the cores one person may have",
    "QOSMaxGRESPerUser": "your running jobs already use the GPUs one person may have",
    "AssocGrpCPUMinutesLimit": "the project's CPU hours are used up",
    "AssocGrpGRESMinutes": "the project's GPU hours are used up",
    "ReqNodeNotAvail": "the nodes that could run it are down or reserved",
    "PartitionDown": "this part of the machine is down",
    "PartitionTimeLimit": "you asked for more time than this partition gives",
    "BeginTime": "its start time has not come",
}
_REFUSALS = {
    "invalid account or account/partition combination": (
        "You may not use this project on this part of the machine. Choose another project."
    ),
    "job violates accounting/qos policy": (
        "This is more than your project or you may have at a time, or the project's hours are used up. Ask for less."
    ),
    "requested node configuration is not available": (
        "No node of this machine has what you asked for. Choose fewer cores or less memory."
    ),
    "requested time limit is invalid": "You asked for more time than this partition gives. Choose a shorter time.",
    "more processors requested than permitted": "You asked for more cores than one node has. Choose fewer.",
    "a password is required": "The gateway may not start jobs as you. Ask an administrator.",
}


def reason(job: Job) -> str:
    """Why a job waits."""
    word = job.reason.partition(",")[0].strip()
    return _REASONS.get(word, word)


def state(job: Job) -> str:
    """How a job ended, as one short phrase."""
    text = job.state.partition(" ")[0].lower().replace("_", " ")
    return f"{text}, exit code {job.exit_code}" if job.exit_code else text


def explain(refusal: str) -> str:
    """What ``sbatch`` said, in plain words where we have them."""
    lowered = refusal.lower()
    return next((plain for slurms, plain in _REFUSALS.items() if slurms in lowered), refusal)


def _waiting(job: Job) -> str:
    why = reason(job)
    if job.reason.startswith(("QOS", "Assoc")):  # no node will help: it is a limit of the person or the project
        return f"Waiting: {why}. Stop another notebook or job, or cancel and choose less."
    return f"Waiting for a free node{f': {why}' if why else ''}."


def event(job_id: str, job: Job | None) -> dict[str, Any]:
    """What the waiting page says now: percent, and one sentence."""
    if not job_id:
        return {"progress": 5, "message": "Handing your notebook to Slurm."}
    if job is None:
        return {"progress": 15, "message": f"Slurm has your notebook as job {job_id}."}
    if job.phase is Phase.WAITING:
        return {"progress": 25, "message": _waiting(job)}
    if job.phase is Phase.RUNNING:
        return {"progress": 70, "message": f"Node {job.node} is yours. Your notebook server is starting."}
    return {"progress": 90, "message": f"The job ended ({state(job)})."}
