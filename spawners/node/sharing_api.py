"""Sharing files of projects from JupyterLab (widgets/labextension/static/sharing.js), and at a server's start.

``GET atrium/sharing?path=…`` says who can edit a file; ``POST atrium/sharing`` shares the files of ``{"paths": […]}``.
Paths are those of JupyterLab's file browser. Both answer ``{"project": slug or null, "sentences": […]}``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ApiPath, to_os_path, url_path_join
from tornado import web

from spawners.node import sharing
from spawners.node.sharing import Outcome, Project, Sharing

log = logging.getLogger(__name__)

ROOT = "ATRIUM_PROJECTS"
"""Variable with the directory of all projects."""
SHARE_SECONDS = 20.0
REPAIR_SECONDS = 120.0
MOST_PATHS = 1000
OUTSIDE = "Choose files of one project. Files elsewhere can be moved into the folder of a project, then shared."


class SharingHandler(APIHandler):
    """``GET``: who can edit one file. ``POST``: share files."""

    auth_resource = "contents"

    def initialize(self, root: Path) -> None:
        self._root = root

    @web.authenticated
    @authorized
    async def get(self) -> None:
        path = self._path(self.get_query_argument("path"))
        self.set_header("Cache-Control", "no-store")
        self.finish(await asyncio.to_thread(who_can_edit, path, self._root))

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.get_json_body()
        paths: Any = body.get("paths") if isinstance(body, dict) else None
        if not isinstance(paths, list) or not 0 < len(paths) <= MOST_PATHS:
            raise web.HTTPError(400, f"paths: name 1 to {MOST_PATHS} files.")
        if not all(isinstance(path, str) for path in paths):
            raise web.HTTPError(400, "paths: each is a text.")
        self.finish(await asyncio.to_thread(share, [self._path(path) for path in paths], self._root))

    def _path(self, path: str) -> Path:
        if "\0" in path:
            raise web.HTTPError(400, "path: this is no path of a file.")
        return Path(to_os_path(ApiPath(path), self.contents_manager.root_dir))


def who_can_edit(path: Path, root: Path) -> dict[str, Any]:
    """Whether the members of its project can change a file, as the file's bits say now."""
    try:
        project = sharing.project_of(path, root)
        can_edit = project is not None and sharing.can_edit(path, project)
    except OSError:
        return _answer(None, ["Who can edit this file is not known."])
    if project is None:
        return _answer(None, [])
    if can_edit:
        return _answer(project, [f"All members of {project.slug} can edit this file."])
    return _answer(
        project, [f"Other members of {project.slug} cannot edit this file. Its menu in the file browser shares it."]
    )


def share(paths: Sequence[Path], root: Path) -> dict[str, Any]:
    """Share files and directories of one project with its members, as far as they are the person's."""
    project, *more = {sharing.project_of(path, root) for path in paths}
    if project is None or more:
        return _answer(None, [OUTSIDE])
    run, closed = Sharing(project, private_too=True, seconds=SHARE_SECONDS), False
    for path in paths:
        try:
            run.share(path.resolve())
            closed = closed or not sharing.is_reached(path, project)
        except OSError:
            run.outcome.failed += 1
    return _answer(project, sentences(run.outcome, project, closed=closed))


def _answer(project: Project | None, words: list[str]) -> dict[str, Any]:
    return {"project": project.slug if project else None, "sentences": words}


def sentences(outcome: Outcome, project: Project, *, closed: bool = False) -> list[str]:
    """What happened, and what to do about the rest."""
    lines = []
    if outcome.changed and not closed:
        lines.append(f"Now shared with all members of {project.slug}: {_count(outcome.changed)}.")
    elif outcome.changed:
        lines.append(f"Changed: {_count(outcome.changed)}.")
    elif outcome.shared_before and not closed:
        lines.append(f"All members of {project.slug} could edit these files before: {_count(outcome.shared_before)}.")
    if closed:
        lines.append("A folder above them is closed to other members. Share that folder, too.")
    if outcome.others:
        lines.append(f"Of other people, who have to share them themselves: {_count(outcome.others)}.")
    if outcome.linked:
        lines.append(
            f"Not changed, because they have a second name or run with special rights: {_count(outcome.linked)}. "
            "Copy them, then share the copies."
        )
    if outcome.failed:
        lines.append(
            f"Not changed, because the storage refused it: {_count(outcome.failed)}. If you have joined the project "
            "lately, continue in a new job, then try again."
        )
    if not outcome.complete:
        lines.append("Not all files could be looked at. Share single folders in it for the rest.")
    return lines or ["There is no file of yours here."]


def _count(files: int) -> str:
    return f"{files} {'file or folder' if files == 1 else 'files and folders'}"


def routes(server: ServerApp) -> list[tuple[str, Any, dict[str, Any]]]:
    """Of a server whose environment names the projects' directory."""
    root = _root()
    address = url_path_join(server.web_app.settings["base_url"], "atrium/sharing")
    return [(address, SharingHandler, {"root": root})] if root else []


def _root() -> Path | None:
    value = os.environ.get(ROOT, "")
    return Path(value) if value else None


def start_repair() -> None:
    """Share in the background what the person has brought into their projects with bits of elsewhere.

    A thread that does not hold up the server's end: the next server goes on.
    """
    if root := _root():
        threading.Thread(target=repair, args=(root,), name="atrium-sharing", daemon=True).start()


def repair(root: Path) -> None:
    """Share the person's own files in all their projects; what they keep private stays so. Never raises."""
    for project in sharing.projects(root):
        run = Sharing(project, seconds=REPAIR_SECONDS)
        try:
            run.share(project.folder)
        except OSError as error:
            log.warning("Files in %s could not be shared: %s", project.folder, error.strerror)
        if run.outcome.changed:
            log.info("Shared with the members of %s: %s", project.slug, _count(run.outcome.changed))
