"""What weakens the isolation of people from each other, as far as settings, files and Slurm show it.

``atrium check`` prints it; deploy/security.md says which wall each item belongs to.
"""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from hub.settings import Settings, config_path

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def weaknesses(settings: Settings, slurm: Mapping[str, str] | None) -> list[str]:
    """A sentence for each weakness.

    :param slurm: Slurm's configuration, key in lower case -> value; None if Slurm does not answer.
    """
    return [
        *_origins(settings),
        *_encryption(settings),
        *_files(settings),
        *_fetched_hosts(settings),
        *(["Slurm does not answer, so its isolation of jobs is unknown."] if slurm is None else _jobs(slurm)),
    ]


def _origins(settings: Settings) -> Iterator[str]:
    if settings.site.origins == "path":
        yield 'site.origins = "path": all pages share one origin, so a page of one person can act as another.'
    if settings.site.accept_shared_origin_risk:
        yield "site.accept_shared_origin_risk is set: people share servers although pages share one origin."


def _encryption(settings: Settings) -> Iterator[str]:
    if urlsplit(settings.site.public_url).scheme == "http" and not _is_this_machine(settings.public_host):
        yield "site.public_url is http: passwords and cookies travel unencrypted."
    if not settings.hub.internal_ssl:
        yield "hub.internal_ssl is off: between Hub, proxy and servers an address is not verified by certificate."
    mail = settings.mail
    if mail.smtp_host and mail.smtp_security == "none" and not _is_this_machine(mail.smtp_host):
        yield 'mail.smtp_security = "none": invitations travel unencrypted to the mail server.'


def _files(settings: Settings) -> Iterator[str]:
    for path in (config_path(), settings.paths.etc, settings.paths.secrets):
        if _can_be_changed_by_others(path):
            yield f"{path} can be changed by its group or by everybody."


def _can_be_changed_by_others(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _WRITABLE_BY_OTHERS)
    except OSError:  # the check of settings and secrets reports it
        return False


def _fetched_hosts(settings: Settings) -> Iterator[str]:
    for entry in settings.dataspace.allowed_hosts:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            continue
        if network.is_loopback or network.is_link_local:
            yield f"dataspace.allowed_hosts contains {entry}: sources can reach services of this machine."


def _jobs(slurm: Mapping[str, str]) -> Iterator[str]:
    if slurm.get("proctracktype") != "proctrack/cgroup":
        yield f"Slurm has ProctrackType={slurm.get('proctracktype')}: processes can outlive their job (use cgroup)."
    if "task/cgroup" not in slurm.get("taskplugin", ""):
        plugin = slurm.get("taskplugin")
        yield f"Slurm has TaskPlugin={plugin}: memory and devices of jobs are not confined (use cgroup)."
    if "jobs" not in slurm.get("privatedata", ""):
        yield "Slurm has no PrivateData=jobs: people see names and comments of each other's jobs."


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
