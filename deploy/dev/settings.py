"""Writes Atrium's own files: settings, secrets, PAM configuration and sudo rules."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from deploy.dev import files, logins, slurm
from deploy.dev.command import run
from deploy.dev.errors import DeployError
from deploy.dev.layout import CHECKOUT, SERVICE_USER, WEB_USER, Layout
from deploy.dev.processes import loopback_addresses

SECRETS = ("cookie", "proxy", "atrium", "dashboards", "pages", "worker")


def lay_down_directories(layout: Layout) -> None:
    """Create directories. Shared ones belong to root and are sticky, so nobody can replace another's files."""
    files.directory(layout.etc)
    files.directory(layout.secrets, mode=0o711)
    files.directory(layout.state, mode=0o1771, group=SERVICE_USER)
    files.directory(layout.state / "stamps")
    files.directory(layout.web_state, mode=0o700, owner=WEB_USER, group=WEB_USER)
    files.directory(layout.run, mode=0o1771, group=SERVICE_USER)
    files.directory(layout.web_run, mode=0o700, owner=WEB_USER, group=WEB_USER)
    files.directory(layout.sockets, mode=0o700, owner=SERVICE_USER, group=SERVICE_USER)
    files.directory(layout.dashboards_run, mode=0o750, owner=WEB_USER, group=SERVICE_USER)
    files.directory(layout.nginx_run, mode=0o700, owner=SERVICE_USER, group=SERVICE_USER)
    files.directory(layout.supervisor_socket.parent, mode=0o700)
    files.directory(layout.log, mode=0o750, group=SERVICE_USER)
    for shared in (layout.home, layout.projects, layout.opt):
        if not shared.exists():
            files.directory(shared)


def lay_down_secrets(layout: Layout) -> bool:
    """Create random secrets, one per file; the dashboards' account can read their token."""
    missing = [name for name in SECRETS if not (layout.secrets / name).exists()]
    for name in missing:
        shared = {"mode": 0o640, "group": WEB_USER} if name == "dashboards" else {"mode": 0o600, "group": SERVICE_USER}
        files.put(layout.secrets / name, secrets.token_hex(32) + "\n", owner=SERVICE_USER, **shared)  # type: ignore[arg-type]
    return bool(missing)


def lay_down_certificate(layout: Layout) -> bool:
    """Copy the programs' certificate for the dashboards' account."""
    text = layout.client_certificate.read_text()
    return files.put(layout.secrets / "dashboards.pem", text, owner=SERVICE_USER, group=WEB_USER, mode=0o640)


def value(layout: Layout, section: str, key: str) -> Any:
    """What the settings' file says; None if it does not."""
    try:
        return tomllib.loads(layout.settings.read_text()).get(section, {}).get(key)
    except (OSError, tomllib.TOMLDecodeError):
        return None


def public_url(layout: Layout) -> str:
    """Address at which people open the Hub: the settings', which an administrator may have changed."""
    return str(value(layout, "site", "public_url") or layout.public_url)


def lay_down_settings(layout: Layout) -> str:
    """Write atrium.toml; returns a sentence if an administrator's edited file differs."""
    remark = files.put_editable(layout.settings, settings_text(layout), layout.etc / "written.json")
    check_ports(layout, tomllib.loads(layout.settings.read_text()))
    lay_down_parts(layout)
    return remark


_PROXY_SECTIONS = ("api", "hub", "nginx", "paths", "proxy", "site")
_READ_BY: dict[str, tuple[str, ...]] = {
    "proxy": _PROXY_SECTIONS,
    "dashboards": (*_PROXY_SECTIONS, "dashboards"),
}
"""Sections that these programs read, and no others."""
_NOT_READ_BY: dict[str, tuple[str, ...]] = {
    "api": ("dashboards", "proxy", "retention"),
    "hub": ("dashboards", "dataspace", "retention", "worker"),
    "worker": ("dashboards", "nginx", "proxy"),
}
"""Sections that these programs do not read; they read all others."""


def part_read_by(layout: Layout, program: str) -> Path:
    """File with the sections that a program reads. It is newer than the program's start if one of them was changed."""
    return layout.etc / "settings-read" / f"{program}.json"


def lay_down_parts(layout: Layout) -> None:
    """Write the sections that each program reads; a part that is written first has the age of the settings."""
    tables = tomllib.loads(layout.settings.read_text())
    age = layout.settings.stat().st_mtime_ns
    for program in (*_READ_BY, *_NOT_READ_BY):
        path = part_read_by(layout, program)
        read = set(_READ_BY.get(program, tables.keys())) - set(_NOT_READ_BY.get(program, ()))
        files.directory(path.parent, mode=0o700)
        is_new = not path.exists()
        text = json.dumps({name: tables[name] for name in sorted(read & tables.keys())}, default=str, sort_keys=True)
        files.put(path, text + "\n", mode=0o600)
        if is_new:  # otherwise an upgrade would restart the proxy, which holds people's connections
            os.utime(path, ns=(age, age))


def check_ports(layout: Layout, tables: Mapping[str, Mapping[str, object]]) -> None:
    """Check that an edited file has the ports that ``make up`` waits for."""
    for section in ("nginx", "hub", "api"):
        port, expected_port = tables.get(section, {}).get("port"), layout.ports[section]
        if port != expected_port:
            raise DeployError(
                f"{layout.settings} was edited and says [{section}] port = {port}, where ATRIUM_PORT="
                f"{layout.options.port} means {expected_port}: take the ports over from atrium.toml.new, "
                "or keep the old ATRIUM_PORT."
            )


def settings_text(layout: Layout) -> str:
    """The text of atrium.toml (deploy/settings.md lists sections and keys)."""
    partitions = slurm.partitions(layout)
    lines = [
        f'bin = "{slurm.binaries()}"',
        f'partition = "{partitions.notebooks}"',
        f'gpu_partition = "{partitions.gpu}"',
        f'dask_partition = "{partitions.dask}"',
        f'job_log = "{job_log(layout)}"',
    ]
    if layout.slurm_conf is not None:
        lines.insert(0, f'conf = "{layout.slurm_conf}"')
    return files.render(
        "atrium.toml",
        public_url=layout.public_url,
        etc=layout.etc,
        state=layout.state,
        log=layout.log,
        run=layout.run,
        projects=layout.projects,
        hub_env=layout.hub_env,
        user_env=layout.user_env,
        proxy_env=layout.proxy_env,
        listen=json.dumps(loopback_addresses()),
        port=layout.options.port,
        proxy_api_port=layout.ports["proxy-api"],
        hub_port=layout.ports["hub"],
        internal_ssl=json.dumps(_internal_ssl(layout)),
        api_port=layout.ports["api"],
        pam_service=layout.pam_service,
        users_group=layout.users_group,
        project_helper=json.dumps(layout.project_command),
        database_url=layout.database_url,
        gateway=layout.cluster,
        slurm="\n".join(lines),
        transfers=partitions.transfers,
        notebook_partitions=json.dumps(partitions.more),
        **{
            f"{role}s": json.dumps(logins.names_with(role, layout))
            for role in ("admin", "reviewer", "trainer", "analyst")
        },
    )


def _internal_ssl(layout: Layout) -> bool:
    """On in a new copy. An existing one keeps its value, because running servers cannot change theirs."""
    if not layout.settings.exists():
        return True
    return bool(tomllib.loads(layout.settings.read_text()).get("hub", {}).get("internal_ssl", False))


def lay_down_sign_in(layout: Layout) -> bool:
    """PAM configuration: members of the group with passwords of the demo's file."""
    text = files.render("pam", passwords=layout.etc / "demo-passwd", group=layout.users_group)
    return files.put(pam_file(layout), text)


def pam_file(layout: Layout) -> Path:
    return Path("/etc/pam.d") / layout.pam_service


def lay_down_project_helper(layout: Layout) -> bool:
    """Install the program for projects' groups and directories, and its configuration."""
    files.directory(layout.project_helper.parent)
    config = {
        "projects": str(layout.projects),
        "group_prefix": layout.project_group_prefix,
        "people_group": layout.users_group,
        "ledger": str(layout.project_ledger),
    }
    helper = files.put(layout.project_helper, (CHECKOUT / "deploy/projects/project.py").read_text())
    remark = files.put_editable(layout.project_config, json.dumps(config, indent=2) + "\n", layout.etc / "written.json")
    return helper or bool(remark)


def lay_down_sudo(layout: Layout) -> bool:
    """The rules for Slurm's two commands and the project helper, checked by visudo before they take effect."""
    text = sudoers_text(layout)
    with tempfile.NamedTemporaryFile("w", prefix="atrium-sudoers-") as draft:
        draft.write(text)
        draft.flush()
        Path(draft.name).chmod(0o440)
        run(["visudo", "-c", "-q", "-f", draft.name], deadline=30)
    return files.put(layout.sudoers, text, mode=0o440)


def sudoers_text(layout: Layout) -> str:
    return Template((CHECKOUT / "deploy/sudoers/atrium").read_text()).substitute(
        user=SERVICE_USER,
        group=layout.users_group,
        alias=f"ATRIUM{layout.slug.upper()}",
        bin=slurm.binaries(),
        helper=" ".join(layout.project_command),
        job_log=job_log(layout),
    )


def job_log(layout: Layout) -> Path:
    """Install the command that prints the end of a notebook's job log (deploy/sudoers/job-log)."""
    return layout.hub_env / "bin/atrium-job-log"
