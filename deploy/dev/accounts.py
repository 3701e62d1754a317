"""Creates and removes the demo's OS accounts as root, and changes no other accounts.

Every name is checked before it becomes an argument. A ledger, written before an account is made, says which
accounts and groups are this copy's; an account counts as ours only when the ledger and its own comment agree.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import signal
from contextlib import suppress
from pathlib import Path

from deploy.dev import files
from deploy.dev.command import run
from deploy.dev.errors import DeployError
from deploy.dev.layout import SERVICE_USER, WEB_USER, Layout
from deploy.dev.processes import processes

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}\Z")
_LOWEST_UID = 1000
_SERVICE_COMMENT = "Atrium service"
_DEADLINE = 60.0


def check_name(name: str) -> str:
    """``name``; raises :class:`DeployError` unless it is a valid name of an account or group."""
    if not _NAME.match(name):
        raise DeployError(f"{name!r} cannot be an account: names are like founder or learner01, at most 31 characters.")
    return name


class Accounts:
    """OS accounts of one copy."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._ledger = layout.etc / "accounts.json"
        self._mark = f"Atrium demo {layout.slug}".strip()

    def people(self) -> list[str]:
        """People in the ledger, whose accounts exist or are about to be created."""
        return self._entries()["people"]

    def left(self) -> list[str]:
        """People in the ledger whose accounts still exist."""
        return [name for name in self.people() if _account(name) is not None]

    def collisions(self, names: list[str]) -> list[str]:
        """Those of ``names`` and of our groups that exist and were not created by this copy."""
        groups = [self._layout.users_group]
        ours = self._entries()["groups"]
        return [name for name in names if _account(name) and not self._is_ours(name)] + [
            name for name in groups if _group(name) and name not in ours
        ]

    def service_names_of_persons(self) -> list[str]:
        """Names of our service accounts that belong to a person here."""
        service_accounts = (_account(name) for name in (SERVICE_USER, WEB_USER))
        return [account.pw_name for account in service_accounts if account and not 0 < account.pw_uid < _LOWEST_UID]

    def ensure_services(self) -> bool:
        """Create the two accounts that the programs run as; all copies on a machine share them."""
        missing = [name for name in (SERVICE_USER, WEB_USER) if _account(name) is None]
        for name in missing:
            argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
            _change([*argv, "--shell", "/usr/sbin/nologin", "--comment", _SERVICE_COMMENT, "--", name])
        return bool(missing)

    def ensure_groups(self) -> bool:
        """Create the group whose members may sign in."""
        missing = [name for name in (self._layout.users_group,) if _group(name) is None]
        for name in missing:
            self._note("groups", check_name(name))
            _change(["groupadd", "--", name])
        return bool(missing)

    def create(self, name: str) -> bool:
        """Create the person's account, with a locked password and a closed home; returns whether it is new.

        :raises DeployError: an account of this name exists that this copy did not create.
        """
        check_name(name)
        if _account(name) is not None:
            if not self._is_ours(name):
                raise DeployError(f"The account {name} exists already and is not Atrium's; it is left alone.")
            return False
        home = self._home(name)
        if os.path.lexists(home):
            raise DeployError(f"{home} exists already without an account {name}: move it aside and try again.")
        self._note("people", name)
        argv = ["useradd", "--create-home", "--home-dir", str(home), "--key", "HOME_MODE=0700", "--shell", "/bin/bash"]
        groups = self._layout.users_group
        _change([*argv, "--user-group", "--groups", groups, "--comment", self._comment(name), "--", name])
        account = _account(name)
        if account is None or account.pw_uid < _LOWEST_UID:
            self.remove(name)
            raise DeployError(f"useradd gave {name} an identity below {_LOWEST_UID}: see UID_MIN in /etc/login.defs.")
        return True

    def remove(self, name: str) -> bool:
        """End the person's processes, remove account and home if this copy created them; returns whether it did."""
        check_name(name)
        account = _account(name)
        if account is None or not self._is_ours(name):
            return False
        for process in processes():
            if process.uid == account.pw_uid:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        _change(["userdel", "--force", "--remove", "--", name])
        return True

    def remove_groups(self) -> None:
        """Remove this copy's groups, including those of projects (see deploy/projects)."""
        projects = self._layout.project_ledger
        groups = projects.read_text().split() if projects.exists() else []
        for name in dict.fromkeys((*self._entries()["groups"], *groups)):
            if _group(check_name(name)) is not None:
                _change(["groupdel", "--", name])

    def remove_services(self) -> None:
        """Remove the service accounts if an installation created them; called by the last copy on a machine."""
        for name in (SERVICE_USER, WEB_USER):
            account = _account(name)
            if account is not None and account.pw_gecos == _SERVICE_COMMENT:
                _change(["userdel", "--", name])

    def _is_ours(self, name: str) -> bool:
        account = _account(name)
        return (
            account is not None
            and name in self.people()
            # Compare the mark only, not the display name before it.
            and account.pw_gecos.rpartition(",")[2] == self._mark
            and account.pw_uid >= _LOWEST_UID
            and Path(account.pw_dir) == self._home(name)
        )

    def _comment(self, name: str) -> str:
        """GECOS field: display name and mark."""
        return f"{name.removeprefix(self._layout.options.people).capitalize()},{self._mark}"

    def _home(self, name: str) -> Path:
        return self._layout.home / name

    def _entries(self) -> dict[str, list[str]]:
        empty: dict[str, list[str]] = {"people": [], "groups": []}
        return json.loads(self._ledger.read_text()) if self._ledger.exists() else empty

    def _note(self, kind: str, name: str) -> None:
        entries = self._entries()
        if name not in entries[kind]:
            entries[kind].append(name)
            files.put(self._ledger, json.dumps(entries, indent=2) + "\n", mode=0o600)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _group(name: str) -> grp.struct_group | None:
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None


def _change(argv: list[str]) -> None:
    run(argv, deadline=_DEADLINE)
