"""Slurm's states, pending reasons and refusals as sentences for people. Pure; never raises.

The vocabulary is that of Slurm 22.05 to 25.11: ``job_state_string``, ``job_state_reason_string`` and
``slurm_strerror``, and squeue's JOB REASON CODES. Sentences are translated when they are shown, so each reader gets
their own language. An unknown state or reason is shown as Slurm prints it, inside a sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hub.language import mark, translate
from hub.slurm.jobs import Job


class Whose(StrEnum):
    """Who or what a job that does not run depends on."""

    TIME = "time"
    """It starts by itself."""
    PERSON = "person"
    """A limit of the person."""
    PROJECT = "project"
    """A limit of the project, or its hours."""
    PARTITION = "partition"
    """A limit of the partition or of its quality of service."""
    REQUEST = "request"
    """As asked for, it never starts."""
    ADMIN = "admin"
    """Somebody who runs the machine has to do something."""


@dataclass(frozen=True)
class Words:
    """What a state or reason of Slurm means, and what to do; both are whole sentences, ``todo`` may be empty."""

    whose: Whose
    means: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.means} {self.todo}".strip()

    def translated(self, **values: str) -> Words:
        """In the reader's language, with ``values`` filled in."""
        means, todo = (translate(text).format(**values) if text else "" for text in (self.means, self.todo))
        return Words(self.whose, means, todo)


# -- frequent advice --------------------------------------------------------------------------------------------------

_WAIT = mark("It starts by itself.")
_LESS = mark("Cancel it and ask for less.")
_SHORTER = mark("Cancel it and choose a shorter time.")
_OTHER = mark("Cancel it and choose another partition or quality of service.")
_STOP_ONE = mark("Stop another notebook or job of yours, or cancel this start and ask for less.")
_ENDS = mark("It starts when one of them ends; asking for less may start sooner.")
_OTHER_PROJECT = mark("Choose another project.")
_LEAD = mark("Choose another project. A lead of this one can ask for more under Projects.")
_ADMIN = mark("Ask an administrator.")
_REPORT = mark("An administrator has to look at it. Cancel it and start again; report it if that does not help.")

# -- reasons ----------------------------------------------------------------------------------------------------------

_REASONS: dict[str, Words] = {
    # starts without anybody's help
    "None": Words(Whose.TIME, mark("Slurm is about to look at it."), _WAIT),
    "Priority": Words(Whose.TIME, mark("Others are before you in the queue."), _WAIT),
    "Resources": Words(Whose.TIME, mark("No node has what you asked for free just now."), _WAIT),
    "BeginTime": Words(Whose.TIME, mark("Its planned start time has not come yet."), _WAIT),
    "Cleaning": Words(Whose.TIME, mark("Slurm is cleaning up after its previous run."), _WAIT),
    "Prolog": Words(Whose.TIME, mark("Its node is being prepared."), _WAIT),
    "SchedDefer": Words(Whose.TIME, mark("Slurm is busy and looks at new jobs later."), _WAIT),
    "FedJobLock": Words(Whose.TIME, mark("Another cluster of the federation is looking at it."), _WAIT),
    "MpiPortsBusy": Words(Whose.TIME, mark("The network ports it needs are in use."), _WAIT),
    "NvidiaImexChannels": Words(Whose.TIME, mark("The channels between GPUs it needs are in use."), _WAIT),
    "MaxPoweredUpNodes": Words(Whose.TIME, mark("As many nodes are switched on as may be at one time."), _WAIT),
    "PowerNotAvail": Words(Whose.TIME, mark("There is not enough power for another job now."), _WAIT),
    "PowerReserved": Words(Whose.TIME, mark("The power it needs is reserved for others now."), _WAIT),
    "Licenses": Words(Whose.TIME, mark("All licences it needs are in use."), _WAIT),
    "Dependency": Words(Whose.TIME, mark("It waits for another job to end."), _WAIT),
    "JobArrayTaskLimit": Words(Whose.TIME, mark("As many parts of this job run as may at one time."), _WAIT),
    "BurstBufferResources": Words(Whose.TIME, mark("The fast storage it needs is full at the moment."), _WAIT),
    "BurstBufferStageIn": Words(Whose.TIME, mark("Its data is being copied to fast storage."), _WAIT),
    "Reservation": Words(Whose.TIME, mark("Its reservation has not begun, or is full."), _WAIT),
    "ReqNodeNotAvail": Words(
        Whose.TIME,
        mark("The nodes that could run it are down, under repair or kept for others."),
        mark("It starts when they are back or free. Another partition may start sooner."),
    ),
    "Maintenance": Words(
        Whose.TIME,
        mark("A maintenance is coming, and it would not be over before that."),
        mark("It starts afterwards; a shorter time may start before."),
    ),
    "NodesKept": Words(
        Whose.TIME,
        mark("The nodes that could run it are kept for another job or reservation."),
        mark("It starts when they are free; a shorter time may start sooner."),
    ),
    "PartitionInactive": Words(Whose.ADMIN, mark("This partition accepts jobs but starts none now."), _OTHER),
    "PartitionDown": Words(Whose.ADMIN, mark("This partition is switched off."), _OTHER),
    "NodeDown": Words(Whose.ADMIN, mark("The node it needs is down."), _OTHER),
    "FrontEndDown": Words(Whose.ADMIN, mark("No node that starts jobs is up."), _ADMIN),
    # never starts as requested
    "PartitionNodeLimit": Words(Whose.REQUEST, mark("You ask for more nodes than this partition gives."), _LESS),
    "PartitionTimeLimit": Words(Whose.REQUEST, mark("You ask for more time than this partition gives."), _SHORTER),
    "PartitionConfig": Words(Whose.REQUEST, mark("This partition has nothing like what you ask for."), _OTHER),
    "MaxMemPerLimit": Words(
        Whose.REQUEST, mark("You ask for more memory a core or node than this partition gives."), _LESS
    ),
    "BadConstraints": Words(Whose.REQUEST, mark("No node matches what you ask for."), _LESS),
    "Constraints": Words(Whose.REQUEST, mark("No node matches what you ask for."), _LESS),
    "DeadLine": Words(Whose.REQUEST, mark("It can no longer end before its deadline."), _SHORTER),
    "DependencyNeverSatisfied": Words(
        Whose.REQUEST, mark("It waits for a job that did not end as required."), mark("Cancel it.")
    ),
    "QOSNotAllowed": Words(Whose.REQUEST, mark("This partition does not take this quality of service."), _OTHER),
    "InvalidQOS": Words(Whose.REQUEST, mark("Its quality of service was removed, or is closed to you."), _OTHER),
    "AccountNotAllowed": Words(
        Whose.REQUEST, mark("This partition does not take jobs of this project."), mark("Choose another partition.")
    ),
    "InvalidAccount": Words(Whose.PROJECT, mark("The project was removed, or is closed to you."), _OTHER_PROJECT),
    "ReservationDeleted": Words(Whose.REQUEST, mark("Its reservation is over or was deleted."), mark("Cancel it.")),
    "ReservationInvalid": Words(Whose.REQUEST, mark("Its reservation does not exist."), mark("Cancel it.")),
    # limits with names of their own
    "AccountingPolicy": Words(Whose.PROJECT, mark("A limit of yours or of the project is reached."), _STOP_ONE),
    "AssociationJobLimit": Words(Whose.PROJECT, mark("The project has as many jobs as it may."), _ENDS),
    "AssociationResourceLimit": Words(
        Whose.PROJECT, mark("The project's running jobs have reached one of its limits."), _ENDS
    ),
    "AssociationTimeLimit": Words(Whose.PROJECT, mark("You ask for more time than the project allows."), _SHORTER),
    "AssocGrpJobsLimit": Words(Whose.PROJECT, mark("As many jobs of the project run as may at one time."), _ENDS),
    "AssocGrpSubmitJobsLimit": Words(Whose.PROJECT, mark("The project has as many jobs waiting as it may."), _ENDS),
    "AssocGrpWallLimit": Words(Whose.PROJECT, mark("The project's jobs have run for as long as they may."), _LEAD),
    "AssocMaxJobsLimit": Words(Whose.PERSON, mark("As many of your jobs in this project run as may."), _STOP_ONE),
    "AssocMaxSubmitJobLimit": Words(
        Whose.PERSON, mark("You have as many jobs in this project, waiting or running, as you may."), _STOP_ONE
    ),
    "AssocMaxWallDurationPerJobLimit": Words(
        Whose.REQUEST, mark("You ask for more time than the project gives one job."), _SHORTER
    ),
    "MaxJobsPerAccount": Words(Whose.PROJECT, mark("As many jobs of the project run as may at one time."), _ENDS),
    "MaxSubmitJobsPerAccount": Words(Whose.PROJECT, mark("The project has as many jobs waiting as it may."), _ENDS),
    "QOSJobLimit": Words(Whose.PARTITION, mark("As many jobs of this quality of service run as may."), _ENDS),
    "QOSResourceLimit": Words(
        Whose.PARTITION, mark("Running jobs of this quality of service have reached one of its limits."), _ENDS
    ),
    "QOSTimeLimit": Words(Whose.PARTITION, mark("You ask for more time than this quality of service gives."), _SHORTER),
    "QOSUsageThreshold": Words(
        Whose.PROJECT, mark("The project has used more than this quality of service is open for."), _OTHER
    ),
    "QOSGrpJobsLimit": Words(Whose.PARTITION, mark("As many jobs of this quality of service run as may."), _ENDS),
    "QOSGrpSubmitJobsLimit": Words(
        Whose.PARTITION, mark("This quality of service has as many jobs waiting as it may."), _ENDS
    ),
    "QOSGrpWallLimit": Words(
        Whose.PARTITION, mark("Jobs of this quality of service have run for as long as they may."), _OTHER
    ),
    "QOSMaxJobsPerUserLimit": Words(Whose.PERSON, mark("As many of your jobs run as may at one time."), _STOP_ONE),
    "QOSMaxSubmitJobPerUserLimit": Words(
        Whose.PERSON, mark("You have as many jobs, waiting or running, as one person may."), _STOP_ONE
    ),
    "QOSMaxWallDurationPerJobLimit": Words(
        Whose.REQUEST, mark("You ask for more time than one job may have with this quality of service."), _SHORTER
    ),
    # held
    "JobHeldUser": Words(
        Whose.PERSON, mark("It is held by your own account."), mark("Release it with scontrol, or cancel it.")
    ),
    "JobHeldAdmin": Words(Whose.ADMIN, mark("An administrator holds it back."), _ADMIN),
    "JobHoldMaxRequeue": Words(Whose.ADMIN, mark("It failed to start too often and is held back."), _REPORT),
    "BurstBufferOperation": Words(Whose.ADMIN, mark("The fast storage failed."), _REPORT),
    "BlockFreeAction": Words(Whose.ADMIN, mark("Its part of the machine cannot be released."), _REPORT),
    "BlockMaxError": Words(Whose.ADMIN, mark("Its part of the machine failed."), _REPORT),
    # why it ended or did not start
    "SystemFailure": Words(Whose.ADMIN, mark("Slurm, a file system or the network failed."), _REPORT),
    "JobLaunchFailure": Words(Whose.ADMIN, mark("Its node could not start it."), _REPORT),
    "NonZeroExitCode": Words(Whose.REQUEST, mark("Its program ended with an error.")),
    "RaisedSignal": Words(Whose.REQUEST, mark("Its program was ended by a signal.")),
    "TimeLimit": Words(Whose.REQUEST, mark("Its time was over.")),
    "InactiveLimit": Words(Whose.REQUEST, mark("It did nothing for longer than it may.")),
    "OutOfMemory": Words(Whose.REQUEST, mark("It needed more memory than it had asked for.")),
}

_HELD_REASONS = {"JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue"}
_HELD_STATES = {"REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"}

# Slurm names further limits by a rule: scope, resource, how it is counted, and per job, node or person.
_LIMIT = re.compile(
    r"(?P<owner>Assoc|QOS|)(?P<kind>Grp|Max|Min)"
    r"(?P<what>BB|Billing|Cpu|CPU|Energy|GRES|License|Memory|Mem|Node|Unknown)"
    r"(?P<count>RunMinutes|RunMins|Minutes|)(?P<per>PerJob|PerNode|PerUser|PerAccount|)(?:Limit|NotSatisfied|)\Z"
)
_THINGS = {
    "BB": (mark("fast storage"), mark("hours of fast storage")),
    "Billing": (mark("billing units"), mark("billing hours")),
    "Cpu": (mark("CPU cores"), mark("CPU hours")),
    "CPU": (mark("CPU cores"), mark("CPU hours")),
    "Energy": (mark("energy"), mark("energy hours")),
    "GRES": (mark("GPUs"), mark("GPU hours")),
    "License": (mark("licences"), mark("licence hours")),
    "Mem": (mark("memory"), mark("memory hours")),
    "Memory": (mark("memory"), mark("memory hours")),
    "Node": (mark("nodes"), mark("node hours")),
    "Unknown": (mark("something Slurm does not name"), mark("hours of something Slurm does not name")),
}
_PROJECT = {
    "Grp": Words(Whose.PROJECT, mark("The project's running jobs have reached its limit for {things}."), _ENDS),
    "GrpMinutes": Words(
        Whose.PROJECT,
        mark("The project's {hours} are used up, or too few are left for what you ask."),
        mark("Choose less or a shorter time. A lead of the project can ask for more hours under Projects."),
    ),
    "GrpRunMinutes": Words(
        Whose.PROJECT, mark("The project's running jobs have claimed as many {hours} as they may at one time."), _ENDS
    ),
    "Minutes": Words(
        Whose.REQUEST, mark("You ask for more {hours} than the project gives one job."), mark("Choose a shorter time.")
    ),
    "": Words(Whose.REQUEST, mark("You ask for more {things} than the project gives one job."), _LESS),
}
_QUALITY = {
    "Grp": Words(Whose.PARTITION, mark("Running jobs here have reached the limit for {things} that all share."), _ENDS),
    "GrpMinutes": Words(
        Whose.PARTITION, mark("The {hours} of this quality of service are used up, or too few are left."), _OTHER
    ),
    "GrpRunMinutes": Words(
        Whose.PARTITION, mark("Running jobs here have claimed as many {hours} as all may at one time."), _ENDS
    ),
    "Min": Words(
        Whose.REQUEST,
        mark("You ask for fewer or less {things} than this quality of service is meant for."),
        mark("Cancel it and ask for more, or choose another quality of service."),
    ),
    "Minutes": Words(
        Whose.REQUEST, mark("You ask for more {hours} than one job may use here."), mark("Choose a shorter time.")
    ),
    "": Words(Whose.REQUEST, mark("You ask for more {things} than one job may have here."), _LESS),
    "PerUser": Words(
        Whose.PERSON, mark("Your running jobs have reached the limit for {things} of one person here."), _STOP_ONE
    ),
    "PerUserRunMins": Words(
        Whose.PERSON, mark("Your running jobs have claimed as many {hours} as one person may at one time."), _STOP_ONE
    ),
    "PerAccount": Words(
        Whose.PROJECT,
        mark("The project's running jobs have reached the limit for {things} of one project here."),
        _ENDS,
    ),
    "PerAccountRunMins": Words(
        Whose.PROJECT, mark("The project's running jobs have claimed as many {hours} as they may here."), _ENDS
    ),
}
# Texts that slurmctld writes instead of a reason; some versions of squeue replace spaces by underscores.
_SENTENCES = (
    ("reserved for maintenance", "Maintenance"),
    ("may be reserved for other job", "NodesKept"),
    ("reqnodenotavail", "ReqNodeNotAvail"),
    ("nodes required for job are down", "ReqNodeNotAvail"),
    ("launch failed", "JobHoldMaxRequeue"),
    ("launch failure limit", "JobHoldMaxRequeue"),
    ("env retrieval failed", "JobLaunchFailure"),
    ("requeued in held state", "JobHeldAdmin"),
    ("requeued in special exit state", "JobHeldAdmin"),
    ("which this job was running under, has ended", "ReservationDeleted"),
    ("not in group permitted to use this partition", "AccountNotAllowed"),
    ("raisedsignal", "RaisedSignal"),
)


# What to do if a limit refuses a job at submission.
_REFUSED = {
    _WAIT: mark("Try again later."),
    _LESS: mark("Ask for less."),
    _SHORTER: mark("Choose a shorter time."),
    _OTHER: mark("Choose another partition or quality of service."),
    _STOP_ONE: mark("Stop another notebook or job of yours first, or ask for less."),
    _ENDS: mark("Try again when one of them has ended, or ask for less."),
}


def reason(text: str) -> Words:
    """Why a job waits (squeue's ``%r``) or ended (sacct's ``Reason``)."""
    words = _reason(text)
    if words is not None:
        return words.translated(**_things(text))
    plain = text.strip().strip("()").replace("_", " ")
    if not plain:
        return _REASONS["None"].translated()
    return Words(Whose.TIME, translate("Slurm says: “{text}”.").format(text=plain[:200]))


def waiting(job: Job) -> Words:
    """Why this job waits; one that is held in the queue waits for somebody, whatever reason it had before."""
    words = reason(job.reason)
    if is_held(job) and words.whose is Whose.TIME:
        return _REASONS["JobHeldAdmin"].translated()
    return words


def is_held(job: Job) -> bool:
    """Whether the job stays in the queue until somebody releases it."""
    return job.state.upper() in _HELD_STATES or _name(job.reason) in _HELD_REASONS


def knows_reason(text: str) -> bool:
    """Whether there is a sentence for this reason."""
    return _reason(text) is not None


def _reason(text: str) -> Words | None:
    name = _name(text)
    return _REASONS.get(name) or _limit(name)


def _name(text: str) -> str:
    """Slurm's word for a reason, also where slurmctld writes a sentence."""
    lowered = text.replace("_", " ").lower()
    return next((name for sign, name in _SENTENCES if sign in lowered), _first_word(text))


def _first_word(text: str) -> str:
    return re.split(r"[,: ]", text.strip().strip("()"), maxsplit=1)[0]


def _limit(word: str) -> Words | None:
    match = _LIMIT.match(word)
    if match is None:
        return None
    running = match["count"].startswith("Run")
    if match["per"] in ("PerUser", "PerAccount"):
        return _QUALITY[match["per"] + ("RunMins" if running else "")]
    if match["kind"] == "Min":
        return _QUALITY["Min"]
    family = _PROJECT if match["owner"] == "Assoc" else _QUALITY
    return family[("Grp" if match["kind"] == "Grp" else "") + ("RunMinutes" if running else match["count"])]


def _things(text: str) -> dict[str, str]:
    """The resource of a limit, for its sentence."""
    match = _LIMIT.match(_first_word(text))
    things, hours = _THINGS[match["what"]] if match else ("", "")
    return {"things": translate(things), "hours": translate(hours)} if match else {}


# -- states -----------------------------------------------------------------------------------------------------------

_STATES = {
    "PENDING": mark("waiting"),
    "CONFIGURING": mark("its node is being prepared"),
    "REQUEUED": mark("put back into the queue"),
    "REQUEUE_FED": mark("put back into the queue"),
    "REQUEUE_HOLD": mark("put back into the queue and held"),
    "SPECIAL_EXIT": mark("put back into the queue and held"),
    "RESV_DEL_HOLD": mark("held, for its reservation is gone"),
    "RUNNING": mark("running"),
    "EXPEDITING": mark("put back into the queue, at its head"),
    "SUSPENDED": mark("paused by the cluster"),
    "STOPPED": mark("paused by the cluster"),
    "SIGNALING": mark("running"),
    "RESIZING": mark("running"),
    "STAGE_OUT": mark("saving its data"),
    "COMPLETING": mark("ending"),
    "COMPLETED": mark("ended by itself"),
    "CANCELLED": mark("cancelled"),
    "FAILED": mark("ended with an error"),
    "TIMEOUT": mark("its time was over"),
    "NODE_FAIL": mark("its node failed"),
    "BOOT_FAIL": mark("its node did not boot"),
    "PREEMPTED": mark("made room for a job that goes first"),
    "OUT_OF_MEMORY": mark("out of memory"),
    "DEADLINE": mark("could not be over in time"),
    "REVOKED": mark("taken over by another cluster"),
    "LAUNCH_FAILED": mark("its node could not start it"),
    "RECONFIG_FAIL": mark("its node could not be set up"),
    "POWER_UP_NODE": mark("its node is being switched on"),
}


def state(text: str) -> str:
    """A state as a short phrase (``out of memory``); ``CANCELLED by 1000`` and ``COMPLETED+`` are understood."""
    word = text.partition(" ")[0].rstrip("+").upper()
    known = _STATES.get(word)
    return translate(known) if known else word.lower().replace("_", " ") or translate("in a state that is not known")


# -- refusals ---------------------------------------------------------------------------------------------------------

_NO_NODE = Words(
    Whose.REQUEST,
    mark("No node of this partition has what you asked for."),
    mark("Choose fewer cores, less memory or fewer GPUs, or another partition."),
)
_TOO_LONG = Words(
    Whose.REQUEST, mark("You asked for more time than you can have here."), mark("Choose a shorter time.")
)
_NO_PARTITION = Words(
    Whose.REQUEST, mark("There is no such partition, or it is not for you."), mark("Choose another partition.")
)
_NO_PROJECT = Words(
    Whose.PROJECT,
    mark("You may not use this project on this part of the machine."),
    mark("Choose another partition or project. A lead of the project can add members under Projects."),
)
_NO_QOS = Words(
    Whose.REQUEST,
    mark("This quality of service (QOS) is not for you, or not in this project or partition."),
    mark("Choose another one, or none."),
)
_NO_RESERVATION = Words(
    Whose.REQUEST,
    mark("This reservation is not there, not yet or no longer open, or not for you."),
    mark("Choose none, or ask whoever gave you its name."),
)
_NO_GPUS = Words(
    Whose.REQUEST, mark("There are no GPUs of this kind, or not here."), mark("Choose another kind or partition.")
)
_NO_MEMORY = Words(
    Whose.REQUEST, mark("No node has as much memory as you asked for."), mark("Choose less, or another partition.")
)
_NOT_KNOWN = Words(Whose.ADMIN, mark("Slurm does not know your account."), mark("Ask an administrator."))
_NOT_AS_YOU = Words(Whose.ADMIN, mark("The gateway may not start jobs as you."), mark("Ask an administrator."))
_CLOSED = Words(
    Whose.ADMIN, mark("This part of the machine accepts no jobs now."), mark("Choose another one, or try later.")
)
_NOW_NOT = Words(Whose.TIME, mark("Slurm is overloaded at the moment."), mark("Try again in a minute."))
_OUR_FAULT = Words(
    Whose.ADMIN, mark("Slurm did not take the job as the gateway wrote it: “{text}”."), mark("Report it, please.")
)

# Parts of sbatch's messages in lower case; the first match counts.
_REFUSALS: tuple[tuple[str, Words], ...] = (
    ("invalid account or account/partition combination", _NO_PROJECT),
    ("invalid or unknown association", _NO_PROJECT),
    ("multiple partition job request not supported", _NO_PROJECT),
    ("invalid account", _NO_PROJECT),
    ("invalid qos", _NO_QOS),
    ("qos preemption loop", _NO_QOS),
    ("relative qos can only be used", _NO_QOS),
    ("breached requested qos usage threshold", _REASONS["QOSUsageThreshold"]),
    ("user's group not permitted", _NO_PARTITION),
    ("not in group permitted to use this partition", _NO_PARTITION),
    ("invalid partition", _NO_PARTITION),
    ("no partition specified or system default partition", _NO_PARTITION),
    ("partition in down state", _CLOSED),
    ("required partition not available", _CLOSED),
    ("requested partition configuration not available", _CLOSED),
    ("system submissions disabled", _CLOSED),
    ("requested operation is presently disabled", _CLOSED),
    ("access denied to requested reservation", _NO_RESERVATION),
    ("requested reservation", _NO_RESERVATION),
    ("maintenance reservation", _REASONS["Maintenance"]),
    ("time limit specification required", _TOO_LONG),
    ("requested time limit is invalid", _TOO_LONG),
    ("invalid time-min specification", _TOO_LONG),
    ("invalid time specified", _TOO_LONG),
    ("memory specification can not be satisfied", _NO_MEMORY),
    ("memory required by task is not available", _NO_MEMORY),
    (
        "cpu count per node can not be satisfied",
        Words(Whose.REQUEST, mark("No node has as many cores as you asked for."), mark("Choose fewer.")),
    ),
    (
        "more processors requested than permitted",
        Words(Whose.REQUEST, mark("You asked for more cores than one node may give you."), mark("Choose fewer.")),
    ),
    ("requested node configuration is not available", _NO_NODE),
    ("requested topology configuration is not available", _NO_NODE),
    ("required nodes lack available resources", _NO_NODE),
    ("insufficient gres available", _NO_GPUS),
    ("generic resource (gres)", _NO_GPUS),
    ("gres specification", _NO_GPUS),
    ("requested gres option unsupported", _NO_GPUS),
    ("restrictedcorespergpu", _NO_NODE),
    ("trackable resource (tres)", _NO_NODE),
    ("cpu count specification invalid", _NO_NODE),
    ("node count specification invalid", _NO_NODE),
    ("requested nodes not in this partition", _NO_NODE),
    ("required node not available", _REASONS["ReqNodeNotAvail"]),
    ("requested nodes are busy", _REASONS["Resources"]),
    ("invalid feature specification", _REASONS["BadConstraints"]),
    ("licenses currently unavailable", _REASONS["Licenses"]),
    (
        "invalid license",
        Words(Whose.REQUEST, mark("There is no such licence here."), mark("Choose without it.")),
    ),
    (
        "job violates accounting/qos policy",
        Words(
            Whose.PROJECT,
            mark("This is more than your project or you may have at a time, or the project's hours are used up."),
            mark("Ask for less, or stop another notebook or job of yours."),
        ),
    ),
    (
        "maxjobcount limit",
        Words(Whose.ADMIN, mark("Slurm has as many jobs as it can hold."), mark("Try again in a few minutes.")),
    ),
    ("rate limit exceeded", _NOW_NOT),
    ("temporarily unable to accept job", _NOW_NOT),
    ("resource temporarily unavailable", _NOW_NOT),
    ("prologslurmctld is still running", _NOW_NOT),
    ("standby mode", _NOW_NOT),
    ("a password is required", _NOT_AS_YOU),
    ("not allowed to execute", _NOT_AS_YOU),
    ("invalid user id", _NOT_KNOWN),
    (
        "invalid group id",
        Words(Whose.ADMIN, mark("Slurm does not know your group."), mark("Ask an administrator.")),
    ),
    ("unable to resolve user id", _NOT_KNOWN),
    (
        "access/permission denied",
        Words(Whose.ADMIN, mark("Slurm does not let you do this."), mark("Ask an administrator.")),
    ),
    (
        "i/o error writing script",
        Words(Whose.ADMIN, mark("Slurm could not keep the job: its disk may be full."), _ADMIN),
    ),
    ("slurm internal error", Words(Whose.ADMIN, mark("Something inside Slurm went wrong."), _ADMIN)),
    ("pathname of a file", _OUR_FAULT),
    ("batch script", _OUR_FAULT),
    ("job script not specified", _OUR_FAULT),
    ("invalid directive", _OUR_FAULT),
    ("unrecognized option", _OUR_FAULT),
    ("task count specification invalid", _OUR_FAULT),
    ("environment is missing in job", _OUR_FAULT),
    ("current working directory", _OUR_FAULT),
)
_PREFIX = re.compile(
    r"^(?:s(?:batch|run|alloc): )?(?:error: |fatal: )?(?:Batch job submission failed: )?", re.IGNORECASE
)
_WORD = re.compile(r"\b[A-Z][A-Za-z]{5,60}\b")
_FAILED = "batch job submission failed:"
_WITHOUT_A_REASON = ("unspecified error", "")
_NOTES_OF_SBATCH = (
    "warning: ",
    "slurm temporarily unable to accept job",
    "verbose: ",
    "debug",
    "invalid partition specified: ",
)
_AS_THE_RULES_SAY = mark("Choose as it says, or ask an administrator what it means.")
LONGEST_PLUGIN_TEXT = 600


def refusal(text: str) -> Words:
    """The sentence for a refusal by ``sbatch``.

    What a job-submit plugin of the site says comes first, then a limit that is named (``AssocMaxSubmitJobLimit``).
    """
    sites_own = _plugin_text(text)
    if sites_own:
        return Words(Whose.REQUEST, _rules(sites_own, plain_message(text)), translate(_AS_THE_RULES_SAY))
    for word in _WORD.findall(text):
        known = _REASONS.get(word) or _limit(word)
        if known is not None:
            todo = _REFUSED.get(known.todo, known.todo)
            return Words(known.whose, known.means, todo).translated(**_things(word))
    message = plain_message(text)
    lowered = text.lower()
    for sign, words in _REFUSALS:
        if sign in lowered:
            todo = _REFUSED.get(words.todo, words.todo)
            return Words(words.whose, words.means, todo).translated(text=message)
    if not message:
        return Words(Whose.ADMIN, translate("Slurm refused the job without a reason."), translate(_ADMIN))
    return Words(
        Whose.ADMIN,
        translate("Slurm refused the job: “{text}”.").format(text=message.rstrip(".")),
        translate("Choose something else, or ask an administrator what it means."),
    )


def _rules(sites_own: str, slurms: str) -> str:
    sentence = translate("The rules of this machine refuse the job: “{text}”.").format(text=sites_own.rstrip("."))
    if slurms.lower() in _WITHOUT_A_REASON:
        return sentence
    return f"{sentence} {translate('Slurm says: “{text}”.').format(text=slurms.rstrip('.'))}"


def _plugin_text(text: str) -> str:
    """What a job-submit plugin said: lines of ``sbatch`` before its last one that are not Slurm's own; "" for none."""
    lines = text.strip().splitlines()
    if not lines or _FAILED not in lines[-1].lower():
        return ""
    sites_own: list[str] = []
    goes_on = False
    for line in lines[:-1]:
        plain = _PREFIX.sub("", line.strip())
        if line.lower().startswith("sbatch: "):
            goes_on = bool(plain) and not _is_slurms(plain)
        if goes_on:
            sites_own.append(plain)
    return " ".join(sites_own)[:LONGEST_PLUGIN_TEXT]


def _is_slurms(line: str) -> bool:
    """Whether ``sbatch`` prints this line by itself before a failure: the name of a limit, or what cannot be had."""
    lowered = line.lower().rstrip(".")
    return (
        line in _REASONS
        or _limit(line) is not None
        or lowered in {sign for sign, _ in _REFUSALS}
        or lowered.startswith(_NOTES_OF_SBATCH)
    )


def plain_message(text: str) -> str:
    """The last line of a command's output, without the command's name before it."""
    lines = [_PREFIX.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
