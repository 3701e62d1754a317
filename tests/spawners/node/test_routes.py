"""Every address of a person's server, as its job starts it: what a link can do there, and what needs the page's token.

A new route, or one with a new method, fails here until it has a place in tests/data/server_routes.txt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import httpx2
import nbformat
import pytest
from jupyterhub.slugs import is_valid_safe_slug

from spawners.server_names import RESERVED
from tests.node_server import browser, node_server

pytestmark = pytest.mark.process

TABLE = Path(__file__).parents[2] / "data/server_routes.txt"
ACTING = ("POST", "PUT", "PATCH", "DELETE")
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
FOREIGN = {"Origin": "http://evil.example"}
TRACE = "open('trace', 'w').close()"


class Route(NamedTuple):
    """A line of the table."""

    verdict: str
    methods: tuple[str, ...]
    sample: str
    """An address that the route answers."""
    pattern: str

    @property
    def acting(self) -> list[str]:
        return [method for method in self.methods if method in ACTING]


def table() -> list[Route]:
    lines = (line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#"))
    return [
        Route(verdict, tuple(methods.strip("-").split(",")), sample.strip('"'), pattern)
        for verdict, methods, sample, pattern in lines
    ]


def rows(*verdicts: str) -> list[Route]:
    return [route for route in table() if route.verdict in verdicts]


def label(route: Route) -> str:
    return route.sample or "base"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TRACE)]), folder / "own.ipynb")
    (folder / "page.html").write_text("<script>document.title = 'ran'</script>")
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with node_server(home, "tests.route_listing") as address:
        yield address


@pytest.fixture(scope="module")
def person(server: str) -> Iterator[httpx2.Client]:
    with closing(browser(server)) as client:
        yield client


@pytest.fixture(scope="module")
def listing(server: str, person: httpx2.Client) -> list[tuple[str, str]]:
    """The server's routes, lazy extensions loaded."""
    return [(pattern, methods) for pattern, methods in person.get(f"{server}route-listing").json()]


def test_every_route_has_its_place_in_the_table(listing: list[tuple[str, str]]) -> None:
    assert sorted(listing) == sorted((route.pattern, " ".join(route.methods)) for route in table())


def test_first_words_of_addresses_are_no_names_of_further_servers(listing: list[tuple[str, str]]) -> None:
    """A server NAME would get what is sent to /NAME/… of the first one."""
    words = {word for pattern, _ in listing for word in first_words(pattern)}

    assert {word for word in words if is_valid_safe_slug(word)} == RESERVED


def first_words(pattern: str) -> set[str]:
    """What stands before the first slash of the addresses that a route's pattern matches, as far as it is literal."""
    parsed = re._parser.parse(f"(?:){pattern}")  # type: ignore[attr-defined]  # "?" follows the base address
    return {address.partition("/")[0] for address in literal_prefixes(parsed)}


def literal_prefixes(tokens: Iterable[tuple[Any, Any]], prefixes: frozenset[str] = frozenset({""})) -> frozenset[str]:
    """Beginnings of what a parsed pattern matches, each up to the first slash or to what is not literal."""
    complete: set[str] = set()
    for kind, value in tokens:
        complete |= {prefix for prefix in prefixes if "/" in prefix}
        prefixes -= complete
        match str(kind):
            case "LITERAL":
                prefixes = frozenset(prefix + chr(value) for prefix in prefixes)
            case "SUBPATTERN":
                prefixes = literal_prefixes(value[3], prefixes)
            case "BRANCH":
                prefixes = frozenset().union(*(literal_prefixes(branch, prefixes) for branch in value[1]))
            case "MAX_REPEAT" if value[:2] == (0, 1):
                prefixes |= literal_prefixes(value[2], prefixes)
            case "ASSERT_NOT" | "AT":
                continue
            case _:
                return frozenset(complete)
    return frozenset(complete | prefixes)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("api/kernels/(?P<kernel_id>x)", {"api"}),
        (r"(?:server-)?proxy(?:/.*)?", {"server-proxy", "proxy"}),
        (r"(?P<mode>lab|doc)(?P<tree>/tree/.*)?", {"lab", "doc"}),
        (r"nbconvert/(?!pdf).*", {"nbconvert"}),
        (r"logout$", {"logout"}),
        (r"(.*)", set()),
        (r"x\w+/y", set()),
    ],
)
def test_first_words_are_recognised(pattern: str, words: set[str]) -> None:
    assert first_words(pattern) == words


def test_what_is_safe_implements_no_method_that_acts() -> None:
    assert [route for route in rows("safe", "socket") if route.acting] == []
    assert [route for route in rows("token", "asks") if not route.acting] == []


@pytest.mark.parametrize("route", rows("token", "asks"), ids=label)
def test_what_acts_needs_the_token_of_the_page(
    server: str, person: httpx2.Client, listing: list[tuple[str, str]], route: Route
) -> None:
    answers = {method: person.request(method, server + route.sample).status_code for method in route.acting}

    assert answers == dict.fromkeys(route.acting, 403)


def test_the_token_of_the_page_is_enough(server: str, person: httpx2.Client) -> None:
    token = {"X-XSRFToken": person.cookies["_xsrf"]}

    assert person.post(f"{server}atrium/job/keep", headers=token).status_code == 204
    assert person.post(f"{server}api/terminals", headers=token).is_success
    assert person.delete(f"{server}api/terminals/1", headers=token).status_code == 204


@pytest.mark.parametrize("route", rows("off"), ids=label)
def test_what_is_off_answers_nobody(server: str, person: httpx2.Client, route: Route) -> None:
    token = {"X-XSRFToken": person.cookies["_xsrf"]}
    for method in ("GET", *ACTING):
        assert person.request(method, server + route.sample, headers=token).status_code == 403, method
    assert person.get(server + route.sample, headers=UPGRADE).status_code == 403


@pytest.mark.parametrize(
    "path", ["proxy/80", "proxy/localhost:80/x", "proxy/absolute/80/x", "server-proxy/servers-info"]
)
def test_no_form_of_the_proxys_addresses_leads_to_a_port(server: str, person: httpx2.Client, path: str) -> None:
    answer = person.get(server + path)

    assert answer.status_code == 403
    assert "Ports of the node cannot be opened through your notebook server." in answer.text


@pytest.mark.parametrize("path", ["lsp/status", "lsp/ws/pylsp", "dask/dashboard/80/x", "custom.module/x"])
def test_what_nothing_needs_is_not_there(server: str, person: httpx2.Client, path: str) -> None:
    assert person.get(server + path).status_code == 404
    assert person.get(server + path, headers=UPGRADE).status_code == 404


def test_links_to_all_pages_start_and_write_nothing(
    server: str, person: httpx2.Client, home: Path, listing: list[tuple[str, str]]
) -> None:
    before = files(home)
    addresses = [route.sample for route in rows("safe", "token", "asks") if "GET" in route.methods]
    answers = {address: person.get(server + address).status_code for address in addresses}

    assert [address for address, status in answers.items() if status >= 500] == []
    assert person.get(f"{server}api/kernels").json() == []
    assert person.get(f"{server}api/sessions").json() == []
    assert person.get(f"{server}api/terminals").json() == []
    assert files(home) == before


def files(home: Path) -> set[Path]:
    """What lies in the person's home; a hidden folder, the log and Jupyter's own runtime files change by themselves."""
    return {path for path in home.glob("*") if not path.name.startswith(".")}


@pytest.mark.parametrize("path", ["files/page.html", "nbconvert/html/own.ipynb"])
def test_scripts_of_a_file_have_no_part_in_the_origin(server: str, person: httpx2.Client, path: str) -> None:
    policy = person.get(server + path).headers["Content-Security-Policy"]

    assert "sandbox" in policy
    assert "allow-same-origin" not in policy


# -- web sockets and the dashboards of plain clusters -------------------------------------------------------------


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server of the same user that is no dashboard until it is noted, and the headers of the requests it got."""
    requests: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    backend = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=backend.serve_forever, daemon=True).start()
    yield backend.server_port, requests
    backend.shutdown()
    backend.server_close()


def note(home: Path, port: int) -> Path:
    """Note the socket that listens on ``port`` of this process, as a scheduler does."""
    import psutil  # type: ignore[import-untyped]

    [connection] = [item for item in psutil.Process().net_connections("tcp4") if item.laddr[1:] == (port,)]
    path = home / "runtime/dashboards" / str(port)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(str(os.fstat(connection.fd).st_ino))
    return path


def test_a_port_is_reached_only_while_a_dashboard_of_the_person_listens_there(
    server: str, person: httpx2.Client, home: Path, port: tuple[int, list[dict[str, str]]]
) -> None:
    number, requests = port
    address = f"{server}atrium/clusters/{number}/dashboard/status"
    assert person.get(address).status_code == 404
    assert person.get(address, headers=UPGRADE).status_code == 404
    assert requests == []

    path = note(home, number)
    answer = person.get(address)
    assert (answer.status_code, answer.text) == (200, "ok")
    assert {"cookie", "authorization"} & requests[0].keys() == set()

    path.unlink()
    assert person.get(address).status_code == 404


def test_a_dashboard_forwards_to_no_other_port(
    server: str, person: httpx2.Client, home: Path, port: tuple[int, list[dict[str, str]]]
) -> None:
    path = note(home, port[0])
    before = len(port[1])
    for below in ("proxy/80/127.0.0.1/x", "/proxy/80/127.0.0.1/x", "%70roxy/80/127.0.0.1/x"):
        address = f"{server}atrium/clusters/{port[0]}/dashboard/{below}"
        assert person.get(address).status_code == 403
        assert person.get(address, headers=UPGRADE).status_code == 403
    path.unlink()

    assert len(port[1]) == before


def test_a_page_of_another_origin_opens_no_web_socket(
    server: str, person: httpx2.Client, home: Path, port: tuple[int, list[dict[str, str]]]
) -> None:
    token = {"X-XSRFToken": person.cookies["_xsrf"]}
    terminal = person.post(f"{server}api/terminals", headers=token).json()["name"]
    kernel = person.post(f"{server}api/kernels", headers=token).json()["id"]
    path = note(home, port[0])
    sockets = {
        f"terminals/websocket/{terminal}",
        f"api/kernels/{kernel}/channels",
        "api/events/subscribe",
        f"atrium/clusters/{port[0]}/dashboard/status/ws",
    }
    try:
        refusals = {socket: upgrade(person, server + socket, FOREIGN) for socket in sockets}
        accepted = upgrade(person, f"{server}terminals/websocket/{terminal}", {})
    finally:
        path.unlink()
        person.delete(f"{server}api/terminals/{terminal}", headers=token)
        person.delete(f"{server}api/kernels/{kernel}", headers=token)

    assert refusals == dict.fromkeys(sockets, 403)
    assert accepted == 101


def upgrade(person: httpx2.Client, address: str, headers: dict[str, str]) -> int:
    """Status of the answer to the opening of a web socket; the connection is closed at once."""
    with person.stream("GET", address, headers={**UPGRADE, **headers}) as answer:
        return answer.status_code
