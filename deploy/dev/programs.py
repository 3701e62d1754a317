"""The supervised programs: OS user, environment, command and health check of each."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deploy.dev import files, health, old_layout
from deploy.dev.command import CLEAN
from deploy.dev.health import Check
from deploy.dev.layout import NODES, SERVICE_USER, WEB_USER, Layout
from deploy.dev.settings import part_read_by

_SETTING = re.compile(r"ATRIUM_[A-Z]+__[A-Z_]+\Z")
"""The variable of a setting (deploy/settings.md)."""


@dataclass(frozen=True)
class Program:
    name: str
    command: tuple[str, ...]
    user: str
    check: Check
    """Returns "" when the program answers, else what is wrong."""
    inputs: tuple[Path, ...] = ()
    """Files it reads once and links to its code: it is restarted when one is newer than its start."""
    environment: Mapping[str, str] = field(default_factory=dict)
    umask: str = "022"
    as_group: bool = True
    """Whether stopping it stops what it started. Not for slurmd: jobs outlive it."""
    stop_seconds: int = 15
    start_seconds: float = 90.0


def slurm_programs(layout: Layout) -> list[Program]:
    """Programs of the small Slurm, in start order."""
    conf = layout.etc / "slurm"
    slurm_conf = conf / "slurm.conf"
    munge = Program(
        name="munge",
        command=(
            "/usr/sbin/munged",
            "--foreground",
            f"--socket={layout.munge_socket}",
            f"--key-file={layout.etc}/munge/munge.key",
            f"--pid-file={layout.run}/munge/munged.pid",
            f"--seed-file={layout.state}/munge/munged.seed",
            f"--log-file={layout.state}/munge/munged.log",
        ),
        user="munge",
        check=partial(health.munge, layout),
        inputs=(layout.etc / "munge/munge.key",),
    )
    mariadb = Program(
        name="mariadb",
        command=("/usr/sbin/mariadbd", f"--defaults-file={conf}/mariadb.cnf"),
        user="mysql",
        check=partial(health.mariadb, layout),
        inputs=(conf / "mariadb.cnf",),
        stop_seconds=60,
    )
    slurmdbd = Program(
        name="slurmdbd",
        command=("/usr/sbin/slurmdbd", "-D"),
        user="slurm",
        check=partial(health.slurmdbd, layout),
        inputs=(conf / "slurmdbd.conf",),
        environment={**layout.slurm_environment, "MYSQL_UNIX_PORT": str(layout.database_socket)},
        stop_seconds=30,
    )
    slurmctld = Program(
        name="slurmctld",
        command=("/usr/sbin/slurmctld", "-D"),
        user="slurm",
        check=partial(health.slurmctld, layout),
        inputs=(slurm_conf, conf / "gres.conf"),
        environment=layout.slurm_environment,
        stop_seconds=30,
    )
    nodes = [
        Program(
            name=f"slurmd-{node}",
            command=("/usr/sbin/slurmd", "-D", "-N", node),
            user="root",
            check=partial(health.node, layout, node),
            inputs=(slurm_conf, conf / "gres.conf"),
            environment=layout.slurm_environment,
            as_group=False,
        )
        for node in NODES
    ]
    return [munge, mariadb, slurmdbd, slurmctld, *nodes]


def web_programs(layout: Layout) -> list[Program]:
    """Atrium's own programs, in start order."""
    secrets = tuple(layout.secrets / name for name in ("cookie", "proxy", "atrium", "dashboards", "pages", "worker"))

    def program(name: str, check: Check, *inputs: Path, user: str = SERVICE_USER) -> Program:
        environment = atrium_environment(layout, layout.web_state if user == WEB_USER else layout.state)
        if name not in ("nginx", "proxy"):  # these start no servers, and a changed environment would restart them
            environment |= old_layout.variables(layout)
        return Program(
            name=name,
            command=(f"{layout.hub_env}/bin/atrium", name),
            user=user,
            check=check,
            inputs=inputs,
            environment=environment,
            umask="077",
        )

    return [
        # New code does not restart the proxy and nginx, because they hold all open connections; nginx is reloaded
        # (up.py). The proxy starts first: its socket is what nginx asks.
        program("proxy", partial(health.proxy_api, layout), part_read_by(layout, "proxy"), layout.secrets / "proxy"),
        program("nginx", partial(health.nginx, layout)),
        program("api", partial(health.api, layout), part_read_by(layout, "api"), layout.hub_env, *secrets),
        program("hub", partial(health.hub, layout), part_read_by(layout, "hub"), layout.hub_env, *secrets),
        program("worker", partial(health.worker, layout), part_read_by(layout, "worker"), layout.hub_env, *secrets),
        program(
            "dashboards",
            partial(health.dashboards, layout),
            part_read_by(layout, "dashboards"),
            layout.hub_env,
            layout.user_env,
            layout.secrets / "dashboards",
            user=WEB_USER,
        ),
    ]


def programs(layout: Layout) -> list[Program]:
    """All programs, in start order."""
    return [*(slurm_programs(layout) if layout.own_slurm else []), *web_programs(layout)]


def atrium_environment(layout: Layout, home: Path) -> dict[str, str]:
    """The environment of Atrium's own programs; it holds no secrets."""
    variables = {"ATRIUM_CONFIG": str(layout.settings), "HOME": str(home)}
    return {**CLEAN, **layout.slurm_environment, **given_settings(), **variables}


def given_settings() -> dict[str, str]:
    """Settings passed to this ``make up`` as variables, such as ``ATRIUM_WORKER__TICK_SECONDS=1``."""
    return {name: value for name, value in os.environ.items() if _SETTING.match(name)}


def supervisor_conf(layout: Layout, running: list[Program]) -> str:
    """The supervisor's configuration; nothing starts by itself, ``make up`` starts in order."""
    sections = [
        files.render(
            "program.conf",
            name=program.name,
            command=" ".join(program.command),
            user=program.user,
            environment=",".join(f'{name}="{_quoted(value)}"' for name, value in program.environment.items())
            or 'LANG="C.UTF-8"',
            umask=program.umask,
            stop_seconds=program.stop_seconds,
            as_group=str(program.as_group).lower(),
            log=layout.log,
        )
        for program in running
    ]
    return files.render(
        "supervisord.conf",
        socket=layout.supervisor_socket,
        run=layout.supervisor_socket.parent,
        log=layout.log,
        files=_open_files(),
        programs="\n".join(sections),
    )


def _quoted(value: str) -> str:
    """Text escaped for quotes in the supervisor's configuration."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _open_files() -> int:
    """Limit of open files for a busy proxy, as far as the machine allows it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
