"""A notebook as a page of a person's own server: what is sent when, and what is said when something fails."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import nbformat
import pytest

from tests.node_server import ROOT, browser, node_server
from tests.polling import eventually
from widgets.ownserver import local_files
from widgets.ownserver.page import EMPTY_PICTURE, PROGRESS_SECONDS, Progress, add_pictures_to_charts

R = {"name": "ir", "display_name": "R", "language": "R"}
PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
ELSEWHERE = re.compile(r"""(?:src|href)=["']https?://|import\(["']https?://|url\(["']?https?://""")


def test_progress_names_the_cell_and_its_time() -> None:
    now = 100.0
    progress = Progress(lambda: now)
    now = 103.4
    assert progress.text == "Starting the kernel: 3\u202fs"
    progress.begin_cell(2, 7)
    now += 150
    assert progress.text == "Running cell 2 of 7: 2\u202fmin"
    assert 'window.voila_process?.(2, 7, "Running cell 2 of 7' in progress.script()


@pytest.mark.parametrize("mime_type", ["application/vnd.vegalite.v5+json", "application/vnd.vega.v5+json"])
def test_a_chart_has_a_picture_because_voila_cannot_store_one(mime_type: str) -> None:
    others = {"text/html": "<b>1</b>"}, {mime_type: {}, "image/png": "its own"}
    datas = {mime_type: {}, "text/plain": "a chart"}, *others
    outputs = [nbformat.v4.new_output("display_data", dict(data)) for data in datas]
    outputs.append(nbformat.v4.new_output("stream", text="printed"))
    add_pictures_to_charts(nbformat.v4.new_code_cell(outputs=outputs))
    add_pictures_to_charts(nbformat.v4.new_markdown_cell())

    assert [output.data for output in outputs[:3]] == [
        {mime_type: {}, "text/plain": "a chart", "image/png": EMPTY_PICTURE},
        *others,
    ]


def test_the_server_accepts_what_a_page_may_send() -> None:
    settings = json.loads((ROOT / "spawners/jupyter/jupyter_server_config.json").read_text())
    message = settings["ServerApp"]["tornado_settings"]["websocket_max_message_size"]

    assert message > local_files.UPLOAD_MB * 10**6 + 2**20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    command = f"{sys.executable} -m ipykernel_launcher -f {{connection_file}}"
    install(folder, "late", f"until [ -e ~/kernel-may-start ]; do sleep 0.1; done; exec {command}")
    install(folder, "broken", "exit 3")
    return folder


def install(home: Path, name: str, command: str) -> None:
    """A kernel of the person's own."""
    folder = home / ".local/share/jupyter/kernels" / name
    folder.mkdir(parents=True)
    argv = ["/bin/sh", "-c", command.replace("{connection_file}", "$0"), "{connection_file}"]
    specification = {"argv": argv, "display_name": f"A {name} kernel", "language": name}
    (folder / "kernel.json").write_text(json.dumps(specification))


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with node_server(home) as address:
        yield address


@pytest.fixture(scope="module")
def person(server: str) -> Iterator[httpx2.Client]:
    with closing(browser(server)) as client:
        yield client


def write(path: Path, *cells: str, kernel: dict[str, str] = PYTHON, text: str = "", voila: str = "") -> None:
    """A notebook with these code cells, after a cell of ``text``."""
    parts = [nbformat.v4.new_markdown_cell(text)] if text else []
    parts += [nbformat.v4.new_code_cell(source) for source in cells]
    metadata = {"kernelspec": kernel} | ({"voila": {"template": voila}} if voila else {})
    nbformat.write(nbformat.v4.new_notebook(cells=parts, metadata=metadata), path)
    path.chmod(0o640)


def ticket(server: str, person: httpx2.Client, name: str) -> str:
    """Address of the page of a notebook that the person has confirmed."""
    address = f"{server}voila/render/{name}"
    form = dict(re.findall(r'name="(_xsrf|version)" value="([^"]+)"', person.get(address, follow_redirects=True).text))
    return urljoin(address, person.post(address, data=form).headers["Location"])


def page_of(server: str, person: httpx2.Client, name: str) -> str:
    """A page that the person has confirmed."""
    answer = person.get(ticket(server, person, name))
    assert answer.status_code == 200
    return answer.text


@pytest.mark.process
def test_the_frame_is_there_before_the_kernel(server: str, person: httpx2.Client, home: Path) -> None:
    kernel = {"name": "late", "display_name": "A late kernel", "language": "late"}
    write(home / "late.ipynb", "6 * 7", kernel=kernel)
    with person.stream("GET", ticket(server, person, "late.ipynb")) as answer:
        parts = answer.iter_text()
        assert any('id="loading_text"' in part for part in parts)
        assert any("Starting the kernel:" in part for part in parts)
        (home / "kernel-may-start").touch()
        assert "42" in "".join(parts)


@pytest.mark.process
def test_a_page_is_never_silent_for_long(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "long.ipynb", "1", f"import time; time.sleep({3 * PROGRESS_SECONDS})")
    with person.stream("GET", ticket(server, person, "long.ipynb")) as answer:
        parts = [part for part in answer.iter_text() if "Running cell 2 of 2: " in part]

    assert len(parts) >= 2, "twice while it runs; each is sent by itself"


@pytest.mark.process
@pytest.mark.parametrize("template", ["", "classic"])
def test_a_failing_cell_is_named_with_its_exception(
    server: str, person: httpx2.Client, home: Path, template: str
) -> None:
    cells = ("print('one')", "raise ValueError('<b>wrong</b>')", "print('three' + '!')")
    write(home / "error.ipynb", *cells, voila=template)
    text = page_of(server, person, "error.ipynb")

    assert "Cell 2 of 3 failed: ValueError: &lt;b&gt;wrong" in text.replace("\\u0026", "&").replace("&amp;", "&")
    assert "The cells after it were not run." in text
    assert "lab/tree/error.ipynb#cell-id=" in text
    assert "Traceback" in text
    assert "show_tracebacks" not in text
    assert "three!" not in text


@pytest.mark.process
def test_a_warning_stays_off_the_page_and_a_marked_exception_stops_nothing(
    server: str, person: httpx2.Client, home: Path
) -> None:
    write(home / "warns.ipynb", "import sys; print('a ' + 'warning', file=sys.stderr)", "1/0", "print('last' + '!')")
    notebook = nbformat.read(home / "warns.ipynb", 4)
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, home / "warns.ipynb")
    text = page_of(server, person, "warns.ipynb")

    assert "a warning" not in text
    assert "last!" in text
    assert " failed: " not in text


@pytest.mark.process
def test_a_kernel_that_ends_in_a_cell_is_told(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "ends.ipynb", "import os; os._exit(1)", "print('two')")
    text = page_of(server, person, "ends.ipynb")

    assert "Cell 1 of 2 failed: the kernel ended" in text
    assert text.rstrip().endswith("</html>")


@pytest.mark.process
def test_a_kernel_that_does_not_start_is_told(server: str, person: httpx2.Client, home: Path) -> None:
    kernel = {"name": "broken", "display_name": "A broken kernel", "language": "broken"}
    write(home / "broken.ipynb", "1", kernel=kernel)
    before = kernels(server, person)
    text = page_of(server, person, "broken.ipynb")

    assert "The kernel “A broken kernel” did not start" in text
    eventually(lambda: kernels(server, person) <= before, within=20, what="its kernel is gone")


def kernels(server: str, person: httpx2.Client) -> set[str]:
    return {kernel["id"] for kernel in person.get(f"{server}api/kernels").json()}


@pytest.mark.process
@pytest.mark.parametrize("kernel", [R, {key: R[key] for key in ("name", "display_name")}])
def test_a_kernel_that_is_not_installed_is_told_with_those_that_are(
    server: str, person: httpx2.Client, home: Path, kernel: dict[str, str]
) -> None:
    write(home / "r.ipynb", "cat('hello')", kernel=kernel)
    answer = person.get(f"{server}voila/render/r.ipynb", follow_redirects=True)

    assert answer.status_code == 422
    assert "needs the kernel “R” (ir)" in answer.text
    assert "“Python 3 (ipykernel)”" in answer.text
    assert "Internal Server Error" not in answer.text


@pytest.mark.process
def test_another_kernel_of_the_same_language_will_do(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "other.ipynb", "6 * 7", kernel={"name": "my-env", "display_name": "Mine", "language": "python"})

    assert "42" in page_of(server, person, "other.ipynb")


@pytest.mark.process
@pytest.mark.parametrize("template", ["", "lab"])
def test_a_page_names_no_file_of_another_site(server: str, person: httpx2.Client, home: Path, template: str) -> None:
    plot = "from bokeh.plotting import figure, output_notebook, show\noutput_notebook()\np = figure()\np.line([1], [2])"
    renderer = "import os\nprint('plotly by', os.environ['PLOTLY_RENDERER'])"
    write(
        home / "local.ipynb",
        f"{plot}\nshow(p)",
        renderer,
        text="$x^2$\n\n```mermaid\ngraph TD; A-->B\n```",
        voila=template,
    )
    text = page_of(server, person, "local.ipynb")

    assert "Bokeh" in text
    assert "plotly by plotly_mimetype" in text
    assert ELSEWHERE.findall(text) == []
    assert "cdn.bokeh.org/bokeh/release" not in re.sub(
        r"https://cdn\.bokeh\.org/bokeh/release/bokeh[\w.-]*\"? *:", "", text
    )
    assert 'atrium/static/upload.js" data-most-mb="100"' in text
    assert (
        json.loads(re.findall(r'id="jupyter-config-data"[^>]*>(.*?)</script>', text, re.S)[0])["fullMathjaxUrl"] is None
    )


@pytest.mark.process
def test_neither_does_the_list_of_notebooks(server: str, person: httpx2.Client) -> None:
    for path in ("voila", "voila/tree", "voila?classic-tree=true"):
        answer = person.get(server + path, follow_redirects=True)
        assert answer.status_code == 200
        assert ELSEWHERE.findall(answer.text) == []


@pytest.mark.process
def test_the_kernel_of_a_page_that_is_given_up_ends(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "leaves.ipynb", "import time; time.sleep(600)")
    with person.stream("GET", ticket(server, person, "leaves.ipynb")) as answer:
        next(part for part in answer.iter_text() if "Running cell 1 of 1" in part)
        before = kernels(server, person)

    eventually(lambda: kernels(server, person) < before, within=4 * PROGRESS_SECONDS, what="the kernel has ended")
