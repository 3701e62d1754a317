"""A notebook of a person's own server as a page: its head goes out before the kernel is there, then what runs and for
how long, and what went wrong stands on the page, because only its owner reads it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from html import escape
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.utils import ApiPath, url_escape, url_path_join
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert.preprocessors.clearoutput import ClearOutputPreprocessor
from tornado import web
from voila.execute import strip_code_cell_warnings
from voila.handler import VoilaHandler
from voila.notebook_renderer import NotebookRenderer
from voila.utils import ENV_VARIABLE, get_page_config

from hub.language import duration
from widgets.ownserver import local_files

PROGRESS_SECONDS = 5.0
"""How often a page that waits says what it waits for; proxies end a connection that is silent for a minute."""

SHOW = (
    "<script>document.getElementById('loading')?.remove();"
    "for (const part of document.querySelectorAll('#rendered_cells')) part.style.display = '';</script>\n"
)
"""Shows what a template hides until all cells have run."""

EMPTY_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="  # one pixel, PNG
)


class Progress:
    """What a page waits for, in words."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._cell, self._cells = 0, 0

    def begin_cell(self, cell: int, cells: int) -> None:
        self._cell, self._cells, self._since = cell, cells, self._clock()

    @property
    def text(self) -> str:
        passed = duration(self._clock() - self._since)
        if not self._cells:
            return f"Starting the kernel: {passed}"
        return f"Running cell {self._cell} of {self._cells}: {passed}"

    def script(self) -> str:
        """For the templates' loading text."""
        return f"<script>window.voila_process?.({self._cell}, {self._cells}, {json.dumps(self.text)})</script>\n"


class OwnPageRenderer(NotebookRenderer):
    """Voila's renderer with a kernel that may still start, and with failures in words.

    :param edit_url: address of the notebook in JupyterLab.
    """

    kernel: asyncio.Task[str]
    """Gives the id of the kernel once it has started; set before the page is generated."""

    def __init__(self, edit_url: str, **options: Any) -> None:
        super().__init__(**options)
        self._edit_url = edit_url
        self._kernel_manager = options["request_handler"].kernel_manager
        self._kernel_ended = asyncio.Event()
        self.progress = Progress()

    async def _jinja_kernel_start(self, nb: Any, kernel_id: Any, kernel_future: Any) -> str:
        started_id = await asyncio.shield(self.kernel)
        # The server restarts a kernel that has ended, and its cell would seem to run on.
        for event in ("restart", "dead"):
            self._kernel_manager.add_restart_callback(started_id, self._kernel_ended.set, event)
        started = self._kernel_manager.get_kernel(started_id)
        await super()._jinja_kernel_start(nb, kernel_id=started_id, kernel_future=started)
        return started_id

    async def _jinja_notebook_execute(self, nb: Any, kernel_id: str) -> None:
        """For templates that show nothing before all cells have run."""
        nb.cells = [cell async for cell in self._jinja_cell_generator(nb, kernel_id)]

    async def _jinja_cell_generator(self, nb: Any, kernel_id: str) -> AsyncIterator[Any]:
        """Each cell after it has run; the last one is that which failed."""
        nb, _ = ClearOutputPreprocessor().preprocess(nb, {"metadata": {"path": self.cwd}})
        try:
            for index, cell in enumerate(nb.cells):
                self.progress.begin_cell(index + 1, len(nb.cells))
                failure = await self._run(cell, index)
                if failure:
                    cell.outputs.insert(0, self._notice(failure, index, nb.cells))
                else:
                    strip_code_cell_warnings(cell)
                add_pictures_to_charts(cell)
                yield cell
                if failure:
                    return
        finally:
            await self._cleanup_resources()

    async def _run(self, cell: Any, index: int) -> str:
        """Run a cell; returns what went wrong, or an empty text."""
        try:
            await self._execute(cell, index)
        except CellExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except DeadKernelError:
            return "the kernel ended, for example because it needed more memory than the job has"
        except Exception as error:
            self.log.exception("Cell %d of %s", index + 1, self.notebook_path)
            return f"the server could not run it ({type(error).__name__}: {error})"
        return ""

    async def _execute(self, cell: Any, index: int) -> None:
        """Raises what the executor raises, :class:`DeadKernelError` also if the kernel was started again meanwhile."""
        execution = asyncio.ensure_future(self.executor.execute_cell(cell, None, index, store_history=False))
        ended = asyncio.ensure_future(self._kernel_ended.wait())
        try:
            await asyncio.wait({execution, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not execution.done():
                raise DeadKernelError("The kernel was started again")
            execution.result()
        finally:
            execution.cancel()
            ended.cancel()

    def _notice(self, failure: str, index: int, cells: list[Any]) -> Any:
        number, count = index + 1, len(cells)
        text = f"Cell {number} of {count} failed: {failure}."
        if number < count:
            text += " The cells after it were not run."
        link = f"{self._edit_url}#cell-id={url_escape(cells[index].get('id', ''))}"
        html = (
            f'<div role="alert"><p><strong>{escape(text)}</strong></p>'
            f'<p><a href="{escape(link)}" target="_blank">Open the notebook</a></p></div>'
        )
        return nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": text})


def add_pictures_to_charts(cell: Any) -> None:
    """Give Vega's charts among the cell's outputs a picture, which the page does not show.

    JupyterLab's renderer, which draws the chart, stores a picture of it if it has none. Voila's outputs cannot store
    anything, and an error would stand below the chart.
    """
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if any(mime_type.startswith("application/vnd.vega") for mime_type in data):
            data.setdefault("image/png", EMPTY_PICTURE)


async def render(handler: VoilaHandler, path: str) -> AsyncGenerator[str]:
    """The parts of the page of the notebook at ``path``, at least one in :data:`PROGRESS_SECONDS`.

    Its kernel ends if the page is given up before its last part.
    """
    renderer = _renderer(handler, path)
    await renderer.initialize()
    specification = renderer.notebook.metadata.kernelspec
    renderer.kernel = asyncio.ensure_future(_start_kernel(handler, path, specification.name))
    complete = False
    try:
        async for part in _parts(renderer):
            yield local_files.replace(part, handler.base_url)
        complete = True
    except Exception as error:
        handler.log.exception("The page of %s", path)
        yield _failed(specification.display_name, error)
    finally:
        if not complete:
            await _end_kernel(handler, renderer.kernel)


async def _parts(renderer: OwnPageRenderer) -> AsyncIterator[str]:
    """What the template gives, and in between what it waits for."""
    parts = renderer.generate_content_generator()
    following = asyncio.ensure_future(anext(parts, None))
    try:
        while True:
            await asyncio.wait({following}, timeout=PROGRESS_SECONDS)
            if not following.done():
                yield renderer.progress.script()
                continue
            part = following.result()
            if part is None:
                return
            yield part[0]
            following = asyncio.ensure_future(anext(parts, None))
    finally:
        following.cancel()


def _failed(kernel: str, error: Exception) -> str:
    sentence = f"The kernel “{kernel}” did not start, or the page could not be made: {type(error).__name__}: {error}"
    return (
        f'<div role="alert"><p><strong>{escape(sentence)}</strong></p>'
        f"<p>Open the notebook in JupyterLab and run it there, or choose another kernel.</p></div>\n{SHOW}"
    )


def _renderer(handler: VoilaHandler, path: str) -> OwnPageRenderer:
    config: dict[str, Any] = {
        "base_url": handler.base_url,
        "settings": handler.settings,
        "log": handler.log,
        "voila_configuration": handler.voila_configuration,
    }
    return OwnPageRenderer(
        url_path_join(handler.base_url, "lab/tree", url_escape(path)),
        request_handler=handler,
        voila_configuration=handler.voila_configuration,
        traitlet_config=handler.traitlet_config,
        notebook_path=path,
        template_paths=handler.template_paths,
        config_manager=handler.config_manager,
        contents_manager=handler.contents_manager,
        base_url=handler.base_url,
        kernel_spec_manager=handler.kernel_spec_manager,
        page_config=get_page_config(**config),
    )


async def _start_kernel(handler: VoilaHandler, path: str, name: str) -> str:
    """Start the page's kernel; returns its id."""
    request = handler.request
    host, _, port = request.host.lower().partition(":")
    variables = {
        ENV_VARIABLE.SCRIPT_NAME: request.path,
        ENV_VARIABLE.PATH_INFO: "",
        ENV_VARIABLE.QUERY_STRING: request.query,
        ENV_VARIABLE.SERVER_PROTOCOL: request.version,
        ENV_VARIABLE.SERVER_NAME: host,
        ENV_VARIABLE.SERVER_PORT: port,
        ENV_VARIABLE.VOILA_APP_PORT: port,
        ENV_VARIABLE.VOILA_PREHEAT: "False",
        ENV_VARIABLE.VOILA_BASE_URL: handler.base_url,
        ENV_VARIABLE.VOILA_SERVER_URL: handler.settings.get("server_url", "/"),
        ENV_VARIABLE.VOILA_REQUEST_URL: request.full_url(),
    }
    environment = {**os.environ, **{str(variable): str(value) for variable, value in variables.items()}}
    kernel_id: str = await ensure_async(
        handler.kernel_manager.start_kernel(kernel_name=name, path=ApiPath(path.rpartition("/")[0]), env=environment)
    )
    return kernel_id


async def _end_kernel(handler: VoilaHandler, kernel: asyncio.Task[str]) -> None:
    try:
        kernel_id = await kernel
        if kernel_id in handler.kernel_manager:
            await ensure_async(handler.kernel_manager.shutdown_kernel(kernel_id, now=True))
    except Exception:
        handler.log.exception("The kernel of a page that was given up")


async def check_kernel(contents: Any, specifications: Any, path: str) -> None:
    """Check that a kernel of the notebook's name or language is installed.

    :raises tornado.web.HTTPError: 422, there is none.
    """
    if not path.endswith(".ipynb"):
        return
    model = await ensure_async(contents.get(path, type="notebook"))
    metadata = model["content"].get("metadata", {})
    kernel = metadata.get("kernelspec", {})
    name = kernel.get("name", "python3")
    language = kernel.get("language") or metadata.get("language_info", {}).get("name", "")
    installed = {key: entry["spec"] for key, entry in (await ensure_async(specifications.get_all_specs())).items()}
    if name in installed or language.lower() in {spec["language"].lower() for spec in installed.values()}:
        return
    label = kernel.get("display_name") or name
    others = ", ".join(sorted(f"“{spec['display_name']}”" for spec in installed.values())) or "none"
    raise web.HTTPError(
        422,
        "%s",
        f"This notebook needs the kernel “{label}” ({name}), which is not installed for you. Installed are: {others}. "
        "Open the notebook in JupyterLab and choose one of them, or install the kernel in your home directory "
        "(“jupyter kernelspec install --user”).",
    )
