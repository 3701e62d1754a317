"""``python3 -m deploy.dev COMMAND``, called by the Makefile. Options are variables (deploy/README.md)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.dev import checkout, preflight
from deploy.dev.backup import backup, excluded
from deploy.dev.down import down
from deploy.dev.errors import DeployError
from deploy.dev.layout import Layout, Options
from deploy.dev.locks import copy_locked
from deploy.dev.logs import logs
from deploy.dev.purge import purge
from deploy.dev.restore import restore
from deploy.dev.status import status
from deploy.dev.steps import complain
from deploy.dev.up import up


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    commands: dict[str, Callable[[], int]] = {
        "up": _up,
        "down": _down,
        "status": _status,
        "logs": _logs,
        "purge": _purge,
        "backup": _backup,
        "restore": _restore,
        "test": lambda: checkout.test(arguments[1:]),
        "check": checkout.check,
        "bench": lambda: checkout.bench(arguments[1:]),
        "lock": checkout.lock,
    }
    if not arguments or arguments[0] not in commands:
        complain(f"Unknown command. Use one of {', '.join(commands)}.")
        return 2
    try:
        return commands[arguments[0]]()
    except DeployError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("Stopped. Run the same command again to continue.")
        return 130


def _up() -> int:
    with _alone() as layout:
        up(layout, only_slurm=_only_slurm())
    return 0


def _down() -> int:
    with _alone() as layout:
        was_up = down(layout)
    print("Stopped; all state is kept. Start again with: make up" if was_up else "Atrium did not run.")
    return 0


def _status() -> int:
    preflight.check_root(os.geteuid())
    return 0 if status(_layout(), only_slurm=_only_slurm()) else 1


def _logs() -> int:
    logs(_layout(), os.environ.get("LOG", ""))
    return 0


def _purge() -> int:
    with _alone() as layout:
        purge(layout, sure=os.environ.get("YES") == "1", environments=os.environ.get("ENVS") == "1")
    return 0


def _backup() -> int:
    with _alone() as layout:
        folder = backup(layout, _backup_folder())
    print(f"\nThe backup is in {folder}. It holds secrets: only root may read it. It does not hold:")
    print("\n".join(f"  {line}" for line in excluded(layout)))
    print(f"Bring it back with: make restore BACKUP={folder}")
    return 0


def _restore() -> int:
    folder = _backup_folder()
    if folder is None:
        raise DeployError("Say which backup: make restore BACKUP=/srv/backups/atrium-1.")
    with _alone() as layout:
        aside = restore(layout, folder)
    print(f"Restored. What was there before is in {aside}: remove it when nothing of it is missed.")
    print("Not in a backup, so bring these back yourself where they are lost:")
    print("\n".join(f"  {line}" for line in excluded(layout)))
    return 0


def _backup_folder() -> Path | None:
    text = os.environ.get("BACKUP", "")
    if text and not Path(text).is_absolute():
        raise DeployError(f"BACKUP is {text!r}: give an absolute path.")
    return Path(text) if text else None


def _layout() -> Layout:
    return Layout(Options.read(os.environ))


def _only_slurm() -> bool:
    return os.environ.get("ONLY") == "slurm"


@contextmanager
def _alone() -> Iterator[Layout]:
    """The copy, locked and as root, because concurrent commands would undo each other."""
    layout = _layout()
    preflight.check_root(os.geteuid())
    with copy_locked(layout.cluster):
        yield layout


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1:]))
