"""Slurm's commands as argument lists, and parsers of their output. Pure: nothing here runs a command.

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


def rows(text: str) -> list[str]:
    """Records of a command's output, one a line. Slurm ends them with a line feed alone: what else Python takes for the
    end of a line may stand in texts that people write."""
    return [line for line in text.split("\n") if line.strip()]


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
    """``sbatch`` with its script on standard input."""
    return ["sbatch", "--parsable"]


def parse_submit(text: str) -> int:
    """Job id from the output of ``sbatch --parsable`` (``123`` or ``123;cluster``; warnings may stand before it)."""
    last = text.strip().rpartition("\n")[2]
    number = last.partition(";")[0]
    if not number.isdigit():
        raise SlurmError(f"Slurm took the job but answered {last[:80]!r} instead of a job number.")
    return int(number)


def cancel(job_id: int) -> Argv:
    return ["scancel", "--quiet", str(job_id)]


def terminate(job_id: int) -> Argv:
    """SIGTERM for the job script alone, which passes it on to its server."""
    return ["scancel", "--quiet", "--batch", "--signal=TERM", str(job_id)]


_QUEUE = ["squeue", "--noheader", "--all", "--states=all", f"--format={_QUEUE_FORMAT}"]


def queue(name: str) -> Argv:
    """All users' jobs with this name, in one call; ended ones for as long as the controller remembers them
    (MinJobAge)."""
    return [*_QUEUE, f"--name={_named(name)}"]


def queue_of(job_ids: Iterable[int]) -> Argv:
    """These jobs in any state, for as long as the controller remembers them (MinJobAge)."""
    return [*_QUEUE, f"--jobs={','.join(_all_named(map(str, job_ids)))}"]


def parse_queue(text: str) -> list[Job]:
    """Jobs from the output of :func:`queue` or :func:`queue_of`.

    Anybody can give a job such a name, so a line that cannot be parsed is left out. If no line can be parsed, Slurm's
    output itself is wrong, which raises :class:`SlurmError`.
    """
    lines = rows(text)
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
    """Waiting jobs of all users, with what their order depends on."""
    return ["squeue", "--noheader", "--all", "--states=PENDING", "--format=%A|%Q|%P"]


def parse_pending(text: str) -> list[Pending]:
    """Waiting jobs, in no order; lines that cannot be read are left out."""
    jobs = []
    for line in rows(text):
        number, _, rest = line.strip().partition("|")
        priority, _, partitions = rest.partition("|")
        if number.isdigit() and priority.isdigit():
            jobs.append(Pending(int(number), tuple(partitions.split(",")), int(priority)))
    return jobs


def named_jobs(name: str, user: str) -> Argv:
    """Jobs with this name of one OS account, ended ones included (MinJobAge), with their comments.

    One account per call: a line break in a comment can forge a row, and with several accounts in one output a person
    could forge rows of another's jobs.
    """
    fields = "--format=%A|%k"
    return ["squeue", "--noheader", "--all", "--states=all", f"--name={_named(name)}", f"--user={_named(user)}", fields]


def parse_named_jobs(text: str) -> dict[int, str]:
    """Comment of each job. A comment may contain line breaks: lines without a job number are skipped, and forged rows
    can only name jobs of the same account."""
    comments = {}
    for line in rows(text):
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
        "--duplicates",  # a requeued job has one record per run
        "--format=JobIDRaw,State,User,NodeList,Partition,Start,End,ExitCode",
    ]


def parse_history(text: str) -> Job | None:
    """The last record of a job; None without one."""
    lines = rows(text)
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
    """Atrium's command for the end of a notebook job's log (deploy/sudoers/job-log); it only takes a server's name."""
    return [str(command), server]


def home_check(command: Path) -> Argv:
    """The same command's trial of writing a file in the home."""
    return [str(command), "-"]


def node(name: str) -> Argv:
    return ["scontrol", "show", "node", name, "--oneliner"]


def parse_node_address(text: str) -> str:
    """Address at which the controller reaches a node (several nodes may share a host)."""
    match = re.search(r"\bNodeAddr=(\S+)", text)
    if not match:
        raise SlurmError("scontrol did not tell the node's address.")
    return match.group(1)


def node_addresses() -> Argv:
    return ["sinfo", "--noheader", "--Node", "--format=%o"]


def parse_node_addresses(text: str) -> list[str]:
    """Addresses of all nodes without duplicates (a node is listed once per partition)."""
    return list(dict.fromkeys(line.strip() for line in rows(text)))


def ping() -> Argv:
    return ["scontrol", "ping"]


def parse_ping(text: str) -> bool:
    return re.search(r"\bis UP\b", text) is not None


def configuration() -> Argv:
    return ["scontrol", "show", "config"]


def parse_configuration(text: str) -> dict[str, str]:
    """``slurm.conf`` as the controller has it: key in lower case -> value."""
    pairs = (line.partition("=") for line in rows(text) if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


# Of all commands on accounts: slurmdbd may serve several clusters, and without ``cluster=`` sacctmgr means every one.


def _cluster(name: str) -> str:
    return f"cluster={_named(name)}"


def accounts_of(cluster: str, user: str) -> Argv:
    """Accounts that a person may charge."""
    return _show_associations(cluster, f"user={_named(user)}", "format=account")


def _show_associations(cluster: str, *what: str) -> Argv:
    return ["sacctmgr", "--noheader", "--parsable2", "show", "associations", _cluster(cluster), *what]


def parse_accounts_of(text: str) -> list[str]:
    """Accounts in Slurm's order, without duplicates."""
    return list(dict.fromkeys(line.strip() for line in rows(text)))


def accounts(cluster: str, names: Sequence[str]) -> Argv:
    """Those of the accounts that this cluster has; :func:`parse_accounts_of` reads them."""
    return _show_associations(cluster, f"account={','.join(_all_named(names))}", "format=account")


def add_account(cluster: str, name: str, description: str, parent: str = "") -> Argv:
    under = [f"parent={parent}"] if parent else []
    argv = ["sacctmgr", "--immediate", "add", "account", name, _cluster(cluster), f"description={description}"]
    return [*argv, "organization=atrium", *under]


def limit_account(
    cluster: str, name: str, *, cpu_minutes: int, gpu_minutes: int, qos: Sequence[str] = (), closed: bool = False
) -> Argv:
    """Hours are a hard budget: GrpTRESMins with no decay (see deploy/README.md). A closed account accepts no jobs."""
    limits = [f"GrpTRESMins=cpu={cpu_minutes},gres/gpu={gpu_minutes}", f"GrpSubmitJobs={0 if closed else -1}"]
    if qos:
        limits.append(f"qos={','.join(qos)}")
    where = ["where", f"account={_named(name)}", _cluster(cluster)]
    return ["sacctmgr", "--immediate", "modify", "account", *where, "set", *limits]


def members(cluster: str, account: str) -> Argv:
    return _show_associations(cluster, f"account={_named(account)}", "format=user,partition,grpsubmitjobs")


def parse_members(text: str) -> dict[str, Membership]:
    """Members of an account; the line of the account itself has no user."""
    members: dict[str, Membership] = {}
    for line in rows(text):
        user, partition, submit = (*line.strip().split("|"), "", "")[:3]
        if user:
            known = members.get(user, Membership(frozenset(), barred=False))
            bound = known.partitions | ({partition} if partition else set())
            members[user] = Membership(bound, barred=known.barred or submit == "0")
    return members


def add_members(cluster: str, account: str, users: Sequence[str], partitions: Sequence[str] = ()) -> Argv:
    """:param partitions: the only partitions that their jobs of this account may use; empty: all."""
    names = ",".join(_all_named(users))
    bound = [f"partition={','.join(partitions)}"] if partitions else []
    where = [_cluster(cluster), f"account={_named(account)}", *bound]
    return ["sacctmgr", "--immediate", "add", "user", names, *where]


def bar_member(cluster: str, account: str, user: str) -> Argv:
    """Refuse new jobs of a member in this account. Not by MaxSubmitJobs, which a limit of a QOS overrules."""
    return [*_modify_user(cluster, account, user), "set", "GrpSubmitJobs=0"]


def admit_member(cluster: str, account: str, user: str) -> Argv:
    return [*_modify_user(cluster, account, user), "set", "GrpSubmitJobs=-1"]


def _modify_user(cluster: str, account: str, user: str) -> Argv:
    return ["sacctmgr", "--immediate", "modify", "user", "where", *_association(cluster, account, user)]


def _association(cluster: str, account: str, user: str) -> Argv:
    return [f"name={_named(user)}", f"account={_named(account)}", _cluster(cluster)]


def cancel_of(account: str, user: str) -> Argv:
    return ["scancel", "--quiet", f"--account={_named(account)}", f"--user={_named(user)}"]


def queue_of_member(account: str, user: str) -> Argv:
    """Job numbers of a person in an account that have not ended."""
    who = [f"--account={_named(account)}", f"--user={_named(user)}"]
    return ["squeue", "--noheader", "--all", *who, "--format=%A"]


def default_account(cluster: str, user: str) -> Argv:
    """The default account, once for each association; :func:`parse_accounts_of` reads it."""
    what = ["show", "user", _named(user), "withassoc", _cluster(cluster), "format=defaultaccount"]
    return ["sacctmgr", "--noheader", "--parsable2", *what]


def change_default_account(cluster: str, user: str, account: str) -> Argv:
    change = ["where", f"name={_named(user)}", _cluster(cluster), "set", f"defaultaccount={account}"]
    return ["sacctmgr", "--immediate", "modify", "user", *change]


def remove_member(cluster: str, account: str, user: str) -> Argv:
    return ["sacctmgr", "--immediate", "remove", "user", "where", *_association(cluster, account, user)]


def day_of(day: date, accounts: Sequence[str]) -> Argv:
    """Usage of these accounts on one day (UTC if ``TZ`` says so); of longer jobs only that day counts."""
    return [
        "sacct",
        "--noheader",
        "--parsable2",
        "--allusers",
        "--allocations",
        "--duplicates",  # a requeued job has one record per run
        "--truncate",
        f"--accounts={','.join(_all_named(accounts))}",
        f"--starttime={day:%Y-%m-%d}T00:00:00",
        f"--endtime={day + timedelta(days=1):%Y-%m-%d}T00:00:00",
        "--format=Account,User,Partition,ElapsedRaw,AllocTRES",
    ]


def parse_day(text: str) -> dict[Share, Seconds]:
    """Core seconds and GPU seconds by account, person and partition.

    :raises SlurmError: a line cannot be read; without it the sums would be too small.
    """
    shares: dict[Share, Seconds] = {}
    for line in rows(text):
        fields = line.split("|", 4)
        if len(fields) != 5:
            raise SlurmError(f"sacct printed what we cannot read: {line[:80]!r}.")
        account, user, partition, elapsed, tres = fields
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
    """Limits and usage of accounts, without those of single users, from ``scontrol show assoc_mgr``."""
    usage = {}
    for line in rows(text):
        account = re.search(r"\bAccount=(\S+) UserName=\s", line + " ")
        minutes = re.search(r"\bGrpTRESMins=(\S*)", line)
        if account and minutes:
            usage[account.group(1)] = AccountUsage(
                _minutes("cpu", minutes.group(1)), _minutes("gres/gpu", minutes.group(1))
            )
    return usage


def _minutes(tres: str, text: str) -> Minutes:
    """One value of a list such as ``cpu=120000(35)``; ``N`` instead of the limit means none."""
    match = re.search(rf"(?:^|,){re.escape(tres)}=(N|\d+)\((\d+)\)", text)
    if not match:
        return Minutes(None, 0)
    limit, used = match.groups()
    return Minutes(None if limit == "N" else int(limit), int(used))
