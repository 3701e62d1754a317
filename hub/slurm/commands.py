"""Slurm's commands as argument lists, and what they print as values. Pure: nothing here runs anything.

Formats are asked for by explicit field with a separator and read by position, fields that users write last
or not at all, because default layouts differ between Slurm's versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from hub.errors import SlurmError
from hub.slurm.jobs import AccountUsage, Job, Membership, Minutes, Pending, Seconds, Share, moment

Argv = list[str]

_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_QUEUE_FORMAT = "%A|%T|%u|%B|%P|%S|%e|%r"  # %A: a plain number also for arrays and heterogeneous jobs


def _named(value: str) -> str:
    """``value``; raises :class:`ValueError` for an empty one, which Slurm's commands read as "all"."""
    if not value:
        raise ValueError("an empty name means everything to Slurm")
    return value


def _all_named(values: Iterable[str]) -> list[str]:
    """``values``; raises :class:`ValueError` when there is none, or an empty one."""
    names = [_named(value) for value in values]
    return names or [_named("")]


def submit() -> Argv:
    """``sbatch`` reading its script from standard input; the environment is named in the script."""
    return ["sbatch", "--parsable"]


def parse_submit(text: str) -> int:
    """Job id out of ``sbatch --parsable`` (``123`` or ``123;cluster``; warnings may stand before it)."""
    last = text.strip().rpartition("\n")[2]
    number = last.partition(";")[0]
    if not number.isdigit():
        raise SlurmError(f"Slurm took the job but answered {last[:80]!r} instead of a job number.")
    return int(number)


def cancel(job_id: int) -> Argv:
    return ["scancel", "--quiet", str(job_id)]


def queue(name: str) -> Argv:
    """Every job of everybody with this name, in one call."""
    return ["squeue", "--noheader", "--all", f"--name={_named(name)}", f"--format={_QUEUE_FORMAT}"]


def queue_of(job_id: int) -> Argv:
    """One job in any state, for as long as the controller remembers it (MinJobAge)."""
    return ["squeue", "--noheader", "--all", "--states=all", f"--jobs={job_id}", f"--format={_QUEUE_FORMAT}"]


def parse_queue(text: str) -> list[Job]:
    """Jobs out of either of the two above.

    Anybody can name a job as we name ours, so a line we cannot read is left out and blinds nobody; when no line can
    be read, it is Slurm's answer that is wrong.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    jobs = [job for job in map(_queue_line, lines) if job is not None]
    if lines and not jobs:
        raise SlurmError(f"squeue printed what we cannot read: {lines[0][:80]!r}.")
    return jobs


def _queue_line(line: str) -> Job | None:
    fields = line.split("|", 7)
    if len(fields) != 8 or not fields[0].isdigit():
        return None
    number, state, user, node, partition, start, end, reason = fields
    return Job(
        int(number),
        state,
        user,
        "" if node in ("n/a", "(null)") else node,
        reason.strip("()"),
        moment(start),
        moment(end),
        partition,
    )


def pending() -> Argv:
    """Everybody's waiting jobs: who is before whom."""
    return ["squeue", "--noheader", "--all", "--states=PENDING", "--format=%A|%Q|%P"]


def parse_pending(text: str) -> list[Pending]:
    """Waiting jobs, in no order; lines that cannot be read are left out."""
    jobs = []
    for line in text.splitlines():
        number, _, rest = line.strip().partition("|")
        priority, _, partitions = rest.partition("|")
        if number.isdigit() and priority.isdigit():
            jobs.append(Pending(int(number), tuple(partitions.split(",")), int(priority)))
    return jobs


def named_jobs(name: str, user: str) -> Argv:
    """Jobs of this name of one OS account, over or not (MinJobAge), and their comments.

    Never asked for more than one account: a line break in a comment forges rows, so those of everybody in one answer
    would let one person speak of another's jobs.
    """
    fields = "--format=%A|%k"
    return ["squeue", "--noheader", "--all", "--states=all", f"--name={_named(name)}", f"--user={_named(user)}", fields]


def parse_named_jobs(text: str) -> dict[int, str]:
    """Comment of each job. Comments are free text with line breaks: they only choose among jobs of their account, and a
    line that is not Slurm's must not end the reading."""
    comments = {}
    for line in text.split("\n"):
        number, _, comment = line.strip().partition("|")
        if _NUMBER.match(number):
            comments[int(number)] = comment
    return comments


def history(job_id: int) -> Argv:
    return [
        "sacct",
        "--noheader",
        "--parsable2",
        "-X",
        f"--jobs={job_id}",
        "--duplicates",  # a job that was put back into the queue has a record for each time it ran
        "--format=JobIDRaw,State,User,NodeList,Partition,Start,End,ExitCode",
    ]


def parse_history(text: str) -> Job | None:
    """The last record of a job, None when accounting knows none."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    number, state, user, node, partition, start, end, exit_code = lines[-1].split("|", 7)
    return Job(
        int(number),
        state,
        user,
        "" if node in ("None assigned", "") else node,
        start=moment(start),
        end=moment(end),
        partition=partition,
        exit_code=exit_code,
    )


def job_log(command: Path, server: str) -> Argv:
    """The end of a notebook job's log; the command is ours (deploy/sudoers/job-log) and takes a server's name only."""
    return [str(command), server]


def node(name: str) -> Argv:
    return ["scontrol", "show", "node", name, "--oneliner"]


def parse_node_address(text: str) -> str:
    """Address of a node as the controller reaches it (several nodes may live on one host)."""
    match = re.search(r"\bNodeAddr=(\S+)", text)
    if not match:
        raise SlurmError("scontrol did not tell the node's address.")
    return match.group(1)


def node_addresses() -> Argv:
    return ["sinfo", "--noheader", "--Node", "--format=%o"]


def parse_node_addresses(text: str) -> list[str]:
    """Address of every node, each once (a node is listed once for each of its partitions)."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def ping() -> Argv:
    return ["scontrol", "ping"]


def parse_ping(text: str) -> bool:
    return re.search(r"\bis UP\b", text) is not None


def accounts_of(user: str) -> Argv:
    """Accounts this person may charge."""
    return ["sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={_named(user)}", "format=account"]


def parse_accounts_of(text: str) -> list[str]:
    """In Slurm's order, each once."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def accounts(names: Sequence[str]) -> Argv:
    return ["sacctmgr", "--noheader", "--parsable2", "show", "account", *_all_named(names), "format=account"]


def add_account(name: str, description: str, parent: str = "") -> Argv:
    under = [f"parent={parent}"] if parent else []
    argv = ["sacctmgr", "--immediate", "add", "account", name, f"description={description}"]
    return [*argv, "organization=atrium", *under]


def limit_account(
    name: str, *, cpu_minutes: int, gpu_minutes: int, qos: Sequence[str] = (), closed: bool = False
) -> Argv:
    """Hours are a hard budget: GrpTRESMins with no decay (see deploy/README.md). A closed account takes no jobs."""
    limits = [f"GrpTRESMins=cpu={cpu_minutes},gres/gpu={gpu_minutes}", f"GrpSubmitJobs={0 if closed else -1}"]
    if qos:
        limits.append(f"qos={','.join(qos)}")
    return ["sacctmgr", "--immediate", "modify", "account", "where", f"account={_named(name)}", "set", *limits]


def members(account: str) -> Argv:
    what = ["show", "associations", f"account={_named(account)}", "format=user,partition,grpsubmitjobs"]
    return ["sacctmgr", "--noheader", "--parsable2", *what]


def parse_members(text: str) -> dict[str, Membership]:
    """People of an account; the account's own line names nobody."""
    members: dict[str, Membership] = {}
    for line in text.splitlines():
        user, partition, submit = (*line.strip().split("|"), "", "")[:3]
        if user:
            known = members.get(user, Membership(frozenset(), barred=False))
            bound = known.partitions | ({partition} if partition else set())
            members[user] = Membership(bound, barred=known.barred or submit == "0")
    return members


def add_members(account: str, users: Sequence[str], partitions: Sequence[str] = ()) -> Argv:
    """``partitions``: the only ones their jobs of this account may use; none named: all."""
    bound = [f"partition={','.join(partitions)}"] if partitions else []
    return ["sacctmgr", "--immediate", "add", "user", ",".join(_all_named(users)), f"account={_named(account)}", *bound]


def bar_member(account: str, user: str) -> Argv:
    """From now on Slurm takes no job of theirs in this account. Not MaxSubmitJobs: a limit of a QOS overrules it."""
    return [*_modify_user(account, user), "set", "GrpSubmitJobs=0"]


def admit_member(account: str, user: str) -> Argv:
    return [*_modify_user(account, user), "set", "GrpSubmitJobs=-1"]


def _modify_user(account: str, user: str) -> Argv:
    return ["sacctmgr", "--immediate", "modify", "user", "where", *_association(account, user)]


def _association(account: str, user: str) -> Argv:
    return [f"name={_named(user)}", f"account={_named(account)}"]


def cancel_of(account: str, user: str) -> Argv:
    return ["scancel", "--quiet", f"--account={_named(account)}", f"--user={_named(user)}"]


def queue_of_member(account: str, user: str) -> Argv:
    """Job numbers of a person in an account that are not over."""
    who = [f"--account={_named(account)}", f"--user={_named(user)}"]
    return ["squeue", "--noheader", "--all", *who, "--format=%A"]


def default_account(user: str) -> Argv:
    return ["sacctmgr", "--noheader", "--parsable2", "show", "user", _named(user), "format=defaultaccount"]


def change_default_account(user: str, account: str) -> Argv:
    change = ["where", f"name={_named(user)}", "set", f"defaultaccount={account}"]
    return ["sacctmgr", "--immediate", "modify", "user", *change]


def remove_member(account: str, user: str) -> Argv:
    return ["sacctmgr", "--immediate", "remove", "user", "where", *_association(account, user)]


def day_of(day: date, accounts: Sequence[str]) -> Argv:
    """What jobs of these accounts used on one day (UTC, if so asked by ``TZ``); longer ones are cut to it."""
    return [
        "sacct",
        "--noheader",
        "--parsable2",
        "--allusers",
        "--allocations",
        "--truncate",
        f"--accounts={','.join(_all_named(accounts))}",
        f"--starttime={day:%Y-%m-%d}T00:00:00",
        f"--endtime={day + timedelta(days=1):%Y-%m-%d}T00:00:00",
        "--format=Account,User,Partition,ElapsedRaw,AllocTRES",
    ]


def parse_day(text: str) -> dict[Share, Seconds]:
    """Seconds of cores and cards by account, person and partition."""
    shares: dict[Share, Seconds] = {}
    for line in text.splitlines():
        account, user, partition, elapsed, tres = line.split("|", 4)
        if user and elapsed.isdigit() and int(elapsed):
            share = Share(account, user, partition)
            seconds = shares.get(share, Seconds(0, 0))
            cpus, gpus = (_allocated(name, tres) for name in ("cpu", "gres/gpu"))
            shares[share] = Seconds(seconds.cpu + cpus * int(elapsed), seconds.gpu + gpus * int(elapsed))
    return shares


def _allocated(tres: str, text: str) -> int:
    match = re.search(rf"(?:^|,){re.escape(tres)}=(\d+)(?:,|$)", text)
    return int(match.group(1)) if match else 0


def account_usage(names: Iterable[str]) -> Argv:
    joined = ",".join(_all_named(names))
    return ["scontrol", "--oneliner", "show", "assoc_mgr", "flags=assoc", f"accounts={joined}"]


def parse_account_usage(text: str) -> dict[str, AccountUsage]:
    """Limits and use of accounts (not of their single users) out of ``scontrol show assoc_mgr``."""
    usage = {}
    for line in text.splitlines():
        account = re.search(r"\bAccount=(\S+) UserName=\s", line + " ")
        minutes = re.search(r"\bGrpTRESMins=(\S*)", line)
        if account and minutes:
            usage[account.group(1)] = AccountUsage(
                _minutes("cpu", minutes.group(1)), _minutes("gres/gpu", minutes.group(1))
            )
    return usage


def _minutes(tres: str, text: str) -> Minutes:
    """One ``cpu=120000(35)`` out of a list; ``N`` in place of the limit means none."""
    match = re.search(rf"(?:^|,){re.escape(tres)}=(N|\d+)\((\d+)\)", text)
    if not match:
        return Minutes(None, 0)
    limit, used = match.groups()
    return Minutes(None if limit == "N" else int(limit), int(used))
