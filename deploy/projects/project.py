"""The one program of Atrium's that acts as root: a project's OS group and directory, and nothing else.

``sudo`` lets the service user run exactly ``python3 -I project.py CONFIG`` (deploy/sudoers/atrium). The request is JSON
on standard input, every word of it checked here; the answer is JSON on standard output. It makes a group and a
directory, sets the group's members, opens or closes the directory, and has its members share what they create there.
It removes nothing, and looks into no directory.

Nothing but Python's own library: what runs as root should be readable in one sitting.
"""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
import re
import stat
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\Z")
LONGEST_GROUP = 32
LOWEST_ID = 1000
LONGEST_REQUEST = 100_000
DEADLINE_SECONDS = 20
GROUPADD, GPASSWD = "/usr/sbin/groupadd", "/usr/bin/gpasswd"
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, 2**32 - 1)
    for tag, bits in ((0x01, 7), (0x04, 7), (0x20, 0))  # owner, group, others
)
"""``u::rwx,g::rwx,o::---`` as the kernel stores it (hub/projects/acl.py): what is created below gets these bits
whatever the umask is, so that members can change it and nobody else can read it."""
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Config:
    """Written by the installation, for root alone to change."""

    projects: Path
    group_prefix: str
    people_group: str
    """Only its members become members of a project's group."""
    ledger: Path
    """Groups made here, one a line: what an uninstallation may remove."""
    quota: str = ""
    """A program of the site's, run as ``QUOTA DIRECTORY GROUP GIGABYTES`` (0: none); it knows the file system."""


@dataclass(frozen=True)
class Request:
    slug: str
    members: tuple[str, ...]
    storage_gb: int
    closed: bool


class RefusedError(Exception):
    """Said to whoever asked, in a sentence."""


def main(arguments: list[str]) -> int:
    """Do what standard input asks; 0 if it is done."""
    try:
        (config_path,) = arguments
        config = read_config(Path(config_path))
        result = ensure(config, read_request(sys.stdin.read(LONGEST_REQUEST + 1)))
    except (RefusedError, OSError, subprocess.SubprocessError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def read_config(path: Path) -> Config:
    """The configuration; refused unless root alone can have written it."""
    status = path.stat()
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        refuse(f"{path} must belong to root and be writable for nobody else")
    values: dict[str, str] = json.loads(path.read_text())
    return Config(
        projects=Path(values["projects"]),
        group_prefix=values["group_prefix"],
        people_group=values["people_group"],
        ledger=Path(values["ledger"]),
        quota=values.get("quota", ""),
    )


def read_request(text: str) -> Request:
    """The request, every word checked: it comes from a program that talks to people."""
    if len(text) > LONGEST_REQUEST:
        refuse("the request is too long")
    values: Any = json.loads(text)
    if not isinstance(values, dict) or values.keys() != {"slug", "members", "storage_gb", "closed"}:
        refuse("a request has slug, members, storage_gb and closed")
    slug, members, storage, closed = (values[key] for key in ("slug", "members", "storage_gb", "closed"))
    if not isinstance(slug, str) or not SLUG.match(slug):
        refuse("that is no slug")
    if not isinstance(members, list) or not all(isinstance(name, str) and NAME.match(name) for name in members):
        refuse("those are no user names")
    if type(storage) is not int or not 0 <= storage <= 10**7:
        refuse("that is no number of gigabytes")
    if type(closed) is not bool:
        refuse("closed is true or false")
    return Request(slug, tuple(dict.fromkeys(members)), storage, closed)


def ensure(config: Config, request: Request) -> dict[str, object]:
    """Have the group with those members and the directory. Safe to run twice.

    Returns ``left_out``, the members without an account here, and ``remark``, what was not done, as a text.
    """
    group = config.group_prefix + request.slug
    if len(group) > LONGEST_GROUP or not NAME.match(group):
        refuse(f"{group} is too long for the name of a group")
    people = set(grp.getgrnam(config.people_group).gr_mem)
    members = sorted(name for name in request.members if name in people and is_person(name))
    number = ensure_group(config, group)
    if sorted(grp.getgrnam(group).gr_mem) != members:
        run(GPASSWD, "--members", ",".join(members), group)
    directory = config.projects / request.slug
    remarks = []
    if not ensure_directory(directory, number, closed=request.closed):
        remarks.append("no access control lists on this file system: members cannot change each other's files")
    strangers = sorted(set(request.members) - set(members))
    if strangers:
        remarks.append(f"no account here: {', '.join(strangers)}")
    if config.quota:
        set_quota(config.quota, directory, group, request.storage_gb)
    elif request.storage_gb:
        remarks.append("no quota on this file system")
    return {"remark": "; ".join(remarks), "left_out": strangers}


def is_person(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_uid >= LOWEST_ID
    except KeyError:
        return False


def ensure_group(config: Config, group: str) -> int:
    """The group's number. One of that name that was not made here is somebody else's, and left alone."""
    ours = config.ledger.read_text().split() if config.ledger.exists() else []
    try:
        number = grp.getgrnam(group).gr_gid
        if group not in ours:
            refuse(f"the group {group} exists and is not Atrium's")
    except KeyError:
        if group not in ours:
            note(config.ledger, group)  # before the deed: killed in between, the next run knows the group as ours
        run(GROUPADD, "--", group)
        number = grp.getgrnam(group).gr_gid
    if number < LOWEST_ID:
        refuse(f"the group {group} has a number of the system's")
    return number


def note(ledger: Path, group: str) -> None:
    descriptor = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "a") as file:
        file.write(group + "\n")
        file.flush()
        os.fsync(file.fileno())


def ensure_directory(path: Path, group: int, *, closed: bool) -> bool:
    """Root's, the group's to use, set-group-ID so that what is made in it is the group's too; never through a link.

    Returns whether it has the default ACL, which not every file system can store.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir():
            refuse(f"{path} is in the way")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != 0:
            refuse(f"{path} does not belong to root")
        os.fchown(descriptor, 0, group)
        os.fchmod(descriptor, 0o2700 if closed else 0o2770)
        return set_default_acl(descriptor)
    finally:
        os.close(descriptor)


def set_default_acl(directory: int) -> bool:
    """Whether the file system has ACLs, and the directory of this descriptor therefore :data:`DEFAULT_ACL` now."""
    try:
        os.setxattr(directory, "system.posix_acl_default", DEFAULT_ACL)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return False
    return True


def set_quota(program: str, directory: Path, group: str, gigabytes: int) -> None:
    """The site's program, if nobody but root could have put it there."""
    status = Path(program).stat()
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        refuse(f"{program} must belong to root and be writable for nobody else")
    run(program, str(directory), group, str(gigabytes))


def run(*argv: str) -> None:
    result = subprocess.run(
        argv, env=CLEAN, cwd="/", capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    if result.returncode:
        refuse(f"{argv[0]} failed: {(result.stderr or result.stdout).strip()[-200:]}")


def refuse(why: str) -> NoReturn:
    raise RefusedError(why)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
