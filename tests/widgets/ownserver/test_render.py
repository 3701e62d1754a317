"""A notebook of a person's own server runs as a page only after a confirmation, and JupyterLab keeps its layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import httpx2
import nbformat
import pytest

from tests.node_server import browser, node_server

pytestmark = pytest.mark.process

SOMEBODY = 4242
ASKED = "runs its code with your rights"
NEEDS_TRUST = 'name="trust"'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with node_server(home) as address:
        yield address


@pytest.fixture(scope="module")
def person(server: str) -> Iterator[httpx2.Client]:
    with closing(browser(server)) as client:
        yield client


def write(path: Path, trace: str) -> None:
    """A notebook that leaves a file ``trace`` beside it when it runs, and shows 42."""
    cell = nbformat.v4.new_code_cell(f"open({trace!r}, 'w').close()\n6 * 7")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL}), path)
    path.chmod(0o640)


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def form(page: httpx2.Response) -> dict[str, str]:
    """The hidden fields of a confirmation page."""
    return dict(re.findall(r'name="(_xsrf|version)" value="([^"]+)"', page.text))


def test_a_link_to_a_notebook_asks_and_runs_nothing(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "link.ipynb", "link-ran")
    for query in ("", "?ticket=", "?ticket=x", "?theme=dark", "?template=lab"):
        page = person.get(f"{server}voila/render/link.ipynb{query}", follow_redirects=True)
        assert (page.status_code, ASKED in page.text) == (200, True)
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
    assert person.post(f"{server}voila/render/link.ipynb", data={"version": form(page)["version"]}).status_code == 403

    assert not (home / "link-ran").exists()
    assert person.get(f"{server}api/kernels").json() == []


def test_it_runs_once_after_the_confirmation(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "once.ipynb", "once-ran")
    address = f"{server}voila/render/once.ipynb?site=3"
    confirmed = person.post(address, data=form(person.get(address, follow_redirects=True)))
    assert confirmed.status_code == 303
    ticket = urljoin(address, confirmed.headers["Location"])
    assert "site=3" in ticket

    page = person.get(ticket)
    assert "42" in page.text
    assert (home / "once-ran").exists()
    assert ASKED in person.get(ticket).text, "a ticket is for one page"


def test_a_ticket_is_for_the_version_that_was_confirmed(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "version.ipynb", "version-ran")
    address = f"{server}voila/render/version.ipynb"
    fields = form(person.get(address, follow_redirects=True))
    ticket = urljoin(address, person.post(address, data=fields).headers["Location"])
    status = (home / "version.ipynb").stat()
    write(home / "version.ipynb", "version-RAN")
    os.utime(home / "version.ipynb", ns=(status.st_atime_ns, status.st_mtime_ns))

    assert ASKED in person.get(ticket).text
    assert person.post(address, data=fields).status_code == 409
    assert not (home / "version-RAN").exists()


def test_a_ticket_is_for_one_notebook(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "first.ipynb", "first-ran")
    write(home / "second.ipynb", "second-ran")
    address = f"{server}voila/render/first.ipynb"
    fields = form(person.get(address, follow_redirects=True))
    ticket = urljoin(address, person.post(address, data=fields).headers["Location"])

    assert ASKED in person.get(ticket.replace("first", "second")).text
    assert not (home / "second-ran").exists()


@pytest.mark.parametrize("case", ["owner", "group", "folder", "symlink"])
def test_what_others_can_change_needs_the_persons_word(
    server: str, person: httpx2.Client, home: Path, case: str
) -> None:
    path = home / f"{case}.ipynb"
    if case in ("folder", "symlink"):
        shared = home / f"shared-{case}"
        (shared / "own").mkdir(parents=True, mode=0o750)
        shared.chmod(0o770)
        write(shared / "own" / path.name, f"{case}-ran")
        path = shared / "own" / path.name
        if case == "symlink":
            path = home / path.name
            path.symlink_to(shared / "own" / path.name)
    else:
        write(path, f"{case}-ran")
    if case == "owner":
        if os.getuid():
            pytest.skip("only root gives files away")
        os.chown(path, SOMEBODY, -1)
        path.chmod(0o644)
    elif case == "group":
        path.chmod(0o660)
    address = f"{server}voila/render/{path.relative_to(home)}"
    page = person.get(address, follow_redirects=True)
    assert NEEDS_TRUST in page.text
    assert "requestSubmit" not in page.text
    assert person.post(address, data=form(page)).status_code == 422
    assert list(home.rglob(f"{case}-ran")) == []

    confirmed = person.post(address, data={**form(page), "trust": "yes"})
    assert "42" in person.get(urljoin(address, confirmed.headers["Location"])).text


def test_own_files_are_confirmed_by_one_button(server: str, person: httpx2.Client, home: Path) -> None:
    write(home / "own.ipynb", "own-ran")
    page = person.get(f"{server}voila/render/own.ipynb", follow_redirects=True)

    assert NEEDS_TRUST not in page.text


@pytest.mark.parametrize("path", ["nothing.ipynb", "runtime", "../secret.ipynb", ".hidden/a.ipynb"])
def test_there_is_no_page_for_what_is_no_notebook(server: str, person: httpx2.Client, path: str) -> None:
    assert person.get(f"{server}voila/render/{path}", follow_redirects=True).status_code in (400, 404)


def test_voilas_files_are_the_servers_with_its_checks(server: str, person: httpx2.Client, home: Path) -> None:
    (home / "picture.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    person.get(f"{server}voila/tree", follow_redirects=True)
    answer = person.get(f"{server}voila/files/picture.svg", follow_redirects=True)

    assert (answer.status_code, answer.url.path) == (200, "/user/founder/files/picture.svg")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    stranger = httpx2.get(f"{server}voila/files/picture.svg", timeout=60, follow_redirects=True)
    assert "<svg" not in stranger.text


@pytest.mark.parametrize("query", ["reset", "reset=1", "clone=other", "a=b&reset"])
def test_a_link_does_not_reset_the_layout(server: str, person: httpx2.Client, query: str) -> None:
    for path in ("lab", "doc", "lab/tree/own.ipynb", "lab/workspaces/mine", "lab/workspaces/mine/tree/own.ipynb"):
        page = person.get(f"{server}{path}?{query}")
        assert "Reset JupyterLab&#39;s layout?" in page.text or "Reset JupyterLab's layout?" in page.text
        assert 'id="jupyter-config-data"' not in page.text


def test_the_button_resets_one_workspace(server: str, person: httpx2.Client) -> None:
    token = {"X-XSRFToken": person.cookies["_xsrf"]}
    for name in ("default", "mine"):
        layout = {"data": {"layout": name}, "metadata": {"id": name}}
        person.put(f"{server}lab/api/workspaces/{name}", json=layout, headers=token)
    assert person.post(f"{server}lab/workspaces/mine?reset").status_code == 403
    answer = person.post(f"{server}lab/workspaces/mine?reset&a=b", headers=token)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/user/founder/lab/workspaces/mine?a=b")
    assert person.get(f"{server}lab/api/workspaces/mine").json()["data"] == {}
    assert person.get(f"{server}lab/api/workspaces/default").json()["data"] == {"layout": "default"}


def test_a_second_tab_opens_without_a_question(server: str, person: httpx2.Client) -> None:
    """JupyterLab itself goes to such an address when a workspace is already open in another tab."""
    assert 'id="jupyter-config-data"' in person.get(f"{server}lab/workspaces/auto-K?reset=1").text
    assert 'id="jupyter-config-data"' in person.get(f"{server}lab/tree/own.ipynb?reset_not=1").text
