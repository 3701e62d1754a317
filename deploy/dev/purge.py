"""``make purge``: removes only what ``make up`` created. Packages stay, and environments unless ENVS=1."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from deploy.dev import settings, slurm
from deploy.dev.accounts import Accounts
from deploy.dev.command import run
from deploy.dev.down import down
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout
from deploy.dev.locks import accounts_locked, environments_locked
from deploy.dev.steps import step

_REMOVAL_DEADLINE = 600.0


def purge(layout: Layout, *, sure: bool, environments: bool) -> None:
    accounts = Accounts(layout)
    if not sure:
        _ask(layout, len(accounts.people()))
    down(layout)
    with accounts_locked():
        _remove_all(layout, accounts, environments=environments)
    _remove_empty(layout)


def _remove_all(layout: Layout, accounts: Accounts, *, environments: bool) -> None:
    with step("Demo people and their homes") as outcome:
        removed = [name for name in accounts.people() if accounts.remove(name)]
        accounts.remove_groups()
        left = accounts.left()
        outcome.text = f"removed {len(removed)}" + (f", left {', '.join(left)}: changed by somebody" if left else "")
    with step("Rules, sign-in, state, settings") as outcome:
        layout.sudoers.unlink(missing_ok=True)
        settings.pam_file(layout).unlink(missing_ok=True)
        slurm.unlink_default(layout)
        # Remove all projects of a prefixed copy; on the main copy only the demo's, others may hold work.
        projects = layout.projects if layout.slug else layout.projects / "demo"
        for path in (projects, layout.state, layout.log, layout.run, layout.etc):
            _remove(path)
        outcome.text = "removed"
    with step("Environments") as outcome:
        outcome.text = f"kept in {layout.environments} (ENVS=1 removes them)"
        if environments:
            outcome.text = _remove_environments(layout)
    # Service users are shared by all copies; each copy has a sudo rule.
    if not any(Path("/etc/sudoers.d").glob("atrium*")):
        accounts.remove_services()


def _ask(layout: Layout, people: int) -> None:
    print(
        f"This removes from {layout.root}: the {people} demo people with their homes, the demo project, and all "
        "projects' records, hours and settings. There is no way back."
    )
    if not sys.stdin.isatty():
        raise DeployError("Nobody is here to answer: say YES=1 to purge without asking.")
    if input("Type yes to go on: ") != "yes":
        raise DeployError("Nothing was removed.")


def _remove_environments(layout: Layout) -> str:
    """Only this copy's: what another copy uses stays, and is removed by that one when nobody uses it any more."""
    with environments_locked(layout.environments):
        (layout.environments / "copies" / layout.cluster).unlink(missing_ok=True)
        shared = layout.environments != layout.opt.resolve()
        others = [link.name for link in layout.opt.glob("copies/*") if link.is_dir()]
        if others:
            return f"kept in {layout.opt}: {', '.join(others)} use them"
        run(["rm", "-rf", "--", str(layout.opt)], deadline=_REMOVAL_DEADLINE)  # another copy may use it
    return f"links removed; what copies share stays in {layout.environments}" if shared else "removed"


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _remove_empty(layout: Layout) -> None:
    """Remove empty directories of a prefixed copy, up to the prefix itself."""
    if not layout.slug:
        return
    below = (layout.projects, layout.home, layout.opt.parent, layout.etc.parent, layout.run.parent)
    for path in (*below, layout.state.parent, layout.log.parent, layout.log.parent.parent, layout.root):
        with suppress(OSError):
            path.rmdir()
