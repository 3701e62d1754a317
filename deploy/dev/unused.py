"""Removal of versions and environments that are not in force any more, when nothing uses them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy.dev import old_layout, slurm, usage, versions
from deploy.dev.command import CLEAN
from deploy.dev.layout import Layout
from deploy.dev.locks import environments_locked

_REMOVED = ".removed-"


def remove(layout: Layout) -> str:
    """Remove what no copy has in force and no process and no job uses; what was removed, "" for nothing.

    :raises DeployError: nobody can say what is in use; everything is kept.
    """
    with environments_locked(layout.environments):
        previous = _previous(layout)
        candidates = {*previous.values(), *_unlinked(layout)}
        used = _used(layout, candidates) if candidates else set()
        for link, directory in previous.items():
            if directory not in used:
                _forget_after_jobs(link, slurm.jobs(layout))
            else:
                _mark(link).unlink(missing_ok=True)
        unused = _unlinked(layout, used)
        for directory in unused:
            _remove(directory)
        return " ".join(directory.name for directory in unused if not directory.name.startswith(_REMOVED))


def _previous(layout: Layout) -> dict[Path, Path]:
    """This copy's links to what was in force before, and where they point; without what has come back."""
    in_force = set(_targets(layout.opt.glob("*")))
    previous = {link: link.resolve() for link in layout.previous.glob("*") if link.is_symlink()}
    for link, directory in previous.items():
        if directory in in_force:
            link.unlink()
            _mark(link).unlink(missing_ok=True)
    return {link: directory for link, directory in previous.items() if directory not in in_force}


def _forget_after_jobs(link: Path, jobs: set[str]) -> None:
    """Remove a link to what has just been seen unused when the jobs are over that were there the first such time.

    A job takes PATH along from where it was submitted, and Slurm does not tell: no path in its script shows that.
    """
    mark = _mark(link)
    if not mark.exists():
        mark.write_text(" ".join(sorted(jobs)))
    if not jobs.intersection(mark.read_text().split()):
        link.unlink()
        mark.unlink()


def _mark(link: Path) -> Path:
    return link.with_name(f"{link.name}.jobs")


def _unlinked(layout: Layout, used: Iterable[Path] = ()) -> list[Path]:
    """Directories that are not in ``used``, that no copy has a link to, and that no version of either was made from."""
    roots = {layout.environments, layout.opt.resolve()}
    in_use = {*used, *(target for root in roots for opt in _copies(root) for target in _linked_from(opt))}
    in_use |= {versions.base_of(directory) for directory in in_use}
    candidates = (root.glob(f"{kind}/*") for root in roots for kind in ("base", "versions", old_layout.FOLDER))
    return sorted({directory for directories in candidates for directory in directories if directory not in in_use})


def _copies(root: Path) -> Iterator[Path]:
    """Where the copies that share a directory of environments have their links; those that are gone are forgotten."""
    for link in root.glob("copies/*"):
        if link.is_dir():
            yield link.readlink()
        else:
            link.unlink()


def _linked_from(opt: Path) -> Iterator[Path]:
    return _targets((*opt.glob("*"), *opt.glob("previous/*")))


def _targets(links: Iterable[Path]) -> Iterator[Path]:
    return (link.resolve() for link in links if link.is_symlink())


def _used(layout: Layout, directories: set[Path]) -> set[Path]:
    names = {directory: _names(layout, directory) for directory in directories}
    mentioned = usage.mentioned(layout, [name for some in names.values() for name in some])
    return {directory for directory in directories if mentioned.intersection(names[directory])}


def _names(layout: Layout, directory: Path) -> list[str]:
    """What tells that a directory is used. A proxy of the old layout has only the well-known name in its command."""
    old_proxy = directory.parent.name == old_layout.FOLDER and directory.name.startswith("proxy-")
    return [str(directory), *([f"{layout.proxy_env}/"] if old_proxy else [])]


def _remove(directory: Path) -> None:
    """Out of its place at once, so that nothing incomplete bears its name; its files go while ``make up`` goes on."""
    if not directory.name.startswith(_REMOVED):  # else an earlier removal broke off
        directory = directory.rename(directory.with_name(f"{_REMOVED}{directory.name}-{time.time_ns()}"))
    _delete(directory)


def _delete(directory: Path) -> None:
    argv = ["nice", "-n", "19", "rm", "-rf", "--", str(directory)]
    subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=CLEAN,
        start_new_session=True,
    )
