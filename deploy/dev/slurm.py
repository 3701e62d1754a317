"""Sets up the small Slurm of one machine: files, database and accounts; or adopts the machine's own Slurm."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deploy.dev import files
from deploy.dev.command import CLEAN, attempt, run
from deploy.dev.errors import DeployError
from deploy.dev.layout import CPU_NODES, GPU_NODES, NODES, SERVICE_USER, Layout

DEFAULT_CONF = Path("/etc/slurm/slurm.conf")

CPUS = 16
MEMORY_MB = 32_768
GPUS = 4
"""Of a node, believed and not measured; as much as the largest notebook may ask for."""

GPU_TYPES = dict(zip(GPU_NODES, ("a100", "l40s"), strict=True))

QOS = {
    "normal": "MaxTRESPerUser=cpu=32 MaxSubmitJobsPerUser=200",
    "notebook": "MaxTRESPerUser=cpu=16,mem=64G MaxSubmitJobsPerUser=20 Priority=100",
    "flexible": "MaxWall=04:00:00 MaxTRESPerUser=cpu=32 PreemptMode=requeue Flags=DenyOnLimit",
    "gpu": "MaxTRESPerUser=gres/gpu=4 MaxJobsPerUser=4",
    "transfer": "MaxTRESPerUser=cpu=2 MaxJobsPerUser=2",
}
"""Limits a person has at one time; the partitions of these names apply theirs by themselves."""


class Partitions(NamedTuple):
    """Where notebooks, notebooks with GPUs, Dask workers and transfers run."""

    notebooks: str
    gpu: str
    dask: str
    transfers: str
    more: tuple[str, ...] = ()
    """Further ones for notebooks."""


CHOICES = ("normal", "flexible")
"""The QOS that a person may ask for."""

_DEADLINE = 30.0


def lay_down(layout: Layout) -> list[str]:
    """Write directories, key, database and configuration; returns sentences about edited files."""
    _lay_down_directories(layout)
    _ensure_key(layout.etc / "munge/munge.key")
    _ensure_database(layout)
    conf, state = layout.etc / "slurm", layout.state / "slurm"
    files.put(
        conf / "mariadb.cnf",
        files.render(
            "mariadb.cnf",
            state=layout.state / "mariadb",
            socket=layout.database_socket,
            run=layout.database_socket.parent,
        ),
    )
    files.put(
        conf / "slurmdbd.conf",
        files.render(
            "slurmdbd.conf", port=layout.ports["slurmdbd"], munge_socket=layout.munge_socket, run=layout.run / "slurm"
        ),
        mode=0o600,
        owner="slurm",
        group="slurm",
    )
    _put_gpus(conf / "gres.conf", state / "gpus")
    _put_cgroup_conf(conf / "cgroup.conf")
    edited = files.put_editable(conf / "slurm.conf", slurm_conf(layout), layout.etc / "written.json")
    _link_default(layout)
    return [edited] if edited else []


def _lay_down_directories(layout: Layout) -> None:
    state = layout.state / "slurm"
    files.directory(layout.etc / "slurm")
    files.directory(state)
    files.directory(state / "slurmctld", mode=0o700, owner="slurm", group="slurm")
    for node in NODES:
        files.directory(state / f"slurmd-{node}")
    files.directory(layout.run / "slurm", owner="slurm", group="slurm")
    for path in (layout.etc / "munge", layout.state / "munge"):
        files.directory(path, mode=0o700, owner="munge", group="munge")
    files.directory(layout.munge_socket.parent, owner="munge", group="munge")
    for name in ("mariadb", "mariadb-temporary"):
        files.directory(layout.state / name, mode=0o700, owner="mysql", group="mysql")
    files.directory(layout.database_socket.parent, owner="mysql", group="mysql")


def slurm_conf(layout: Layout) -> str:
    """The text of slurm.conf."""
    return files.render(
        "slurm.conf",
        cluster=layout.cluster,
        host=layout.host,
        slurmctld_port=layout.ports["slurmctld"],
        slurmdbd_port=layout.ports["slurmdbd"],
        munge_socket=layout.munge_socket,
        state=layout.state / "slurm",
        run=layout.run / "slurm",
        nodes="\n".join(_node(layout, name) for name in NODES),
        cpu_nodes=",".join(CPU_NODES),
        gpu_nodes=",".join(GPU_NODES),
    )


def _node(layout: Layout, name: str) -> str:
    gpus = f" Gres=gpu:{GPU_TYPES[name]}:{GPUS}" if name in GPU_NODES else ""
    address = f"NodeAddr=127.0.0.1 NodeHostname={layout.host} Port={layout.ports[f'slurmd-{name}']}"
    return f"NodeName={name} {address} CPUs={CPUS} RealMemory={MEMORY_MB}{gpus} State=UNKNOWN"


def _put_gpus(path: Path, devices: Path) -> None:
    files.directory(devices)
    for number in range(GPUS):
        files.null_device(devices / f"gpu{number}")
    nodes = "\n".join(
        f"NodeName={node} Name=gpu Type={kind} File={devices}/gpu[0-{GPUS - 1}]" for node, kind in GPU_TYPES.items()
    )
    files.put(path, files.render("gres.conf", nodes=nodes))


def _put_cgroup_conf(path: Path) -> None:
    """Write cgroup.conf, because newer slurmds look for control groups even if none are used."""
    version = re.search(r"(\d+)\.(\d+)", run(["slurmd", "-V"], deadline=_DEADLINE))
    if version and (int(version[1]), int(version[2])) >= (24, 5):
        files.put(path, "CgroupPlugin=disabled\n")
    elif version and int(version[1]) >= 23:
        files.put(path, "IgnoreSystemd=yes\n")


def _ensure_key(path: Path) -> None:
    if not path.exists():
        # Text, not bytes: munge takes any 32 bytes or more.
        files.put(path, secrets.token_hex(64), mode=0o400, owner="munge", group="munge")


def _ensure_database(layout: Layout) -> None:
    data = layout.state / "mariadb"
    if not (data / "mysql").exists():
        argv = ["mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}", "--skip-test-db"]
        # A MariaDB that starts removes the temporary tables of all that use the same directory.
        argv += [f"--tmpdir={layout.state / 'mariadb-temporary'}", "--auth-root-authentication-method=socket"]
        run(argv, deadline=120)


def _link_default(layout: Layout) -> None:
    """Link the main copy's slurm.conf as the machine's default if there is none, for ``squeue`` in a terminal."""
    if not layout.slug and layout.slurm_conf and not DEFAULT_CONF.exists() and not DEFAULT_CONF.is_symlink():
        DEFAULT_CONF.parent.mkdir(exist_ok=True)
        DEFAULT_CONF.symlink_to(layout.slurm_conf)


def unlink_default(layout: Layout) -> None:
    if not layout.slug and DEFAULT_CONF.is_symlink() and DEFAULT_CONF.readlink() == layout.slurm_conf:
        DEFAULT_CONF.unlink()


def open_database(layout: Layout) -> None:
    """Let the OS user slurm, and nobody else, into a database of its own. Needs the database to run."""
    statements = (
        "CREATE DATABASE IF NOT EXISTS slurm_acct_db;"
        "CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED VIA unix_socket;"
        "GRANT ALL ON slurm_acct_db.* TO slurm@localhost;"
    )
    run(["mariadb", "--no-defaults", f"--socket={layout.database_socket}"], stdin=statements, deadline=_DEADLINE)


def register(layout: Layout) -> bool:
    """The cluster, the names of its QOS and the service user's rights; whether anything was new. Needs slurmdbd."""
    commands = [
        ["add", "cluster", layout.cluster],
        *(["add", "qos", name] for name in QOS if name != "normal"),
        ["modify", "account", "root", "set", f"qos={','.join(CHOICES)}", "defaultqos=normal"],
        ["add", "user", SERVICE_USER, "account=root", "adminlevel=Operator"],
    ]
    return _once(layout, "slurm-accounts", commands)


def set_limits(layout: Layout) -> bool:
    """The QOS' limits; whether anything was new. Needs slurmctld, which tells the accounts that GPUs are counted."""
    limits = [["modify", "qos", name, "set", *QOS[name].split()] for name in QOS]
    # Jobs with the QOS "flexible" can be preempted by jobs without it.
    return _once(layout, "slurm-limits", [*limits, ["modify", "qos", "normal", "set", "preempt=flexible"]])


def _once(layout: Layout, stamp_name: str, commands: list[list[str]]) -> bool:
    stamp, current = layout.state / "stamps" / stamp_name, files.fingerprint([repr(commands).encode()])
    if stamp.exists() and stamp.read_text() == current:
        return False
    for command in commands:
        _sacctmgr(layout, command)
    files.put(stamp, current)
    return True


def _sacctmgr(layout: Layout, command: list[str]) -> None:
    """Run sacctmgr; returns whether anything changed. It fails if there was nothing to do."""
    environment = _environment(layout)
    result = attempt(["sacctmgr", "--immediate", *command], deadline=_DEADLINE, environment=environment)
    output = (result.stdout + result.stderr).strip()
    if result.returncode and not re.search(r"nothing (new|modified|changed)|already exist", output, re.IGNORECASE):
        raise DeployError(f"sacctmgr {' '.join(command)} failed: {output}")


def resume_nodes(layout: Layout) -> None:
    """Resume nodes that a crash or an earlier configuration took out of service."""
    argv = ["sinfo", "--noheader", "--Node", "--format=%N %t"]
    out = run(argv, deadline=_DEADLINE, environment=_environment(layout)).split("\n")
    out_of_work = {line.split()[0] for line in out if re.search(r" (down|drain|drng|inval)", line)}
    for node in sorted(out_of_work):
        argv = ["scontrol", "update", f"nodename={node}", "state=resume"]
        attempt(argv, deadline=_DEADLINE, environment=_environment(layout))


def cancel_everything(layout: Layout) -> list[int]:
    """Cancel all jobs of Atrium's own Slurm before it stops; returns their numbers."""
    environment = _environment(layout)
    queue = ["squeue", "--noheader", "--all", "--format=%A"]
    jobs = attempt(queue, deadline=_DEADLINE, environment=environment).stdout.split()
    if jobs:
        attempt(["scancel", "--quiet", *jobs], deadline=_DEADLINE, environment=environment)
    return [int(job) for job in jobs if job.isdecimal()]


def job_scripts(layout: Layout) -> Iterator[str]:
    """The scripts of all batch jobs that are not over. Raises :class:`DeployError` when Slurm does not tell."""
    unread = set()
    for job in _jobs_with_script(layout):
        argv = ["scontrol", "write", "batch_script", job, "-"]
        script = run(argv, deadline=_DEADLINE, environment=_environment(layout))
        if script:  # scontrol succeeds, and prints nothing, when there is none
            yield script
        else:
            unread.add(job)
    if unread & set(_jobs_with_script(layout)):
        raise DeployError(f"Slurm does not tell the script of job {min(unread)}.")


def _jobs_with_script(layout: Layout) -> list[str]:
    return [job for job, has_script in _queue(layout, "JobID", "BatchFlag") if has_script == "1"]


def jobs(layout: Layout) -> set[str]:
    """Numbers of all jobs that are not over, an array's first one for all of it. They stay when a job is requeued."""
    return {job for (job,) in _queue(layout, "ArrayJobID")}


def _queue(layout: Layout, *fields: str) -> list[list[str]]:
    argv = ["squeue", "--noheader", "--all", f"--Format={','.join(f'{field}:20' for field in fields)}"]
    return [line.split() for line in run(argv, deadline=_DEADLINE, environment=_environment(layout)).splitlines()]


def is_empty(layout: Layout) -> bool:
    result = attempt(
        ["squeue", "--noheader", "--all", "--format=%A"],
        deadline=_DEADLINE,
        environment=_environment(layout),
    )
    return result.returncode != 0 or not result.stdout.strip()


def binaries() -> Path:
    """Directory of Slurm's commands."""
    sbatch = shutil.which("sbatch")
    return Path(sbatch).parent if sbatch else Path("/usr/bin")


def partitions(layout: Layout) -> Partitions:
    """Partitions of Atrium's own Slurm, or of the machine's."""
    if layout.own_slurm:
        return Partitions("notebooks", "gpu", "batch", "transfer", ("short",))
    argv = ["sinfo", "--noheader", "--format=%P|%G"]
    return sites_partitions(run(argv, deadline=_DEADLINE, environment=_environment(layout)))


def sites_partitions(text: str) -> Partitions:
    """Slurm's default partition (without one, the first) for all jobs, and the first with GPUs for those with GPUs.

    :param text: partition (the default one with a star) and gres of each line, joined by ``|``.
    """
    gres = dict.fromkeys((line.partition("|")[0] for line in text.splitlines()), "")
    for line in text.splitlines():
        name, _, devices = line.partition("|")
        gres[name] += devices
    usual = next((name for name in gres if name.endswith("*")), next(iter(gres), "")).rstrip("*")
    with_gpus = next((name.rstrip("*") for name, devices in gres.items() if "gpu" in devices), usual)
    return Partitions(usual, with_gpus, usual, usual)


def adopt(layout: Layout) -> str:
    """Make ``atrium`` Operator in the machine's own Slurm; returns the result as a sentence."""
    config = run(["scontrol", "show", "config"], deadline=_DEADLINE, environment=_environment(layout))
    if not re.search(r"^AccountingStorageType\s*=\s*accounting_storage/slurmdbd", config, re.MULTILINE):
        return "this Slurm keeps no accounts: hours are neither counted nor enforced"
    try:
        _sacctmgr(layout, ["add", "user", SERVICE_USER, "account=root", "adminlevel=Operator"])
    except DeployError as error:
        return f"ask the site to make the user {SERVICE_USER} Operator in slurmdbd: {error}"
    return f"the user {SERVICE_USER} is Operator in its accounts"


def _environment(layout: Layout) -> dict[str, str]:
    return {**CLEAN, **layout.slurm_environment}
