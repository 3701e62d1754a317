"""A public name with a certificate: what scripts of a sibling host and of another site can do to a person's session.

Hosts below one name are one site for a browser, which sends its cookies along; below ``localhost`` it does not.
"""

from __future__ import annotations

import json
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import PUBLIC_NAME, fetch, sign_in, websocket_opens
from tests.deployment import Deployment
from tests.e2e.lab import new_notebook, run_cell
from tests.e2e.visitor import Visitor
from tests.temporary_deployment import changed_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

OTHER_SITE = "https://elsewhere.test/page"


@pytest.fixture(scope="module")
def public(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment at ``https://atrium.test``, as an administrator moves it: settings, a certificate, ``make up``."""
    certificate = make_certificate(deployment.etc / "public-name")
    lines = f'certificate = "{certificate}"\ncertificate_key = "{certificate.with_suffix(".key")}"\n'
    changes = {"http://localhost:": f"https://{PUBLIC_NAME}:", "[nginx]\n": f"[nginx]\n{lines}"}
    try:
        with changed_settings(deployment, changes):
            yield deployment
    finally:
        shutil.rmtree(certificate.parent)


def make_certificate(folder: Path) -> Path:
    """A certificate for the name and all below it, and its key, which nginx's account can read."""
    folder.mkdir(mode=0o700)
    certificate = folder / "server.crt"
    names = f"subjectAltName=DNS:{PUBLIC_NAME},DNS:*.{PUBLIC_NAME}"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
    argv += ["-subj", f"/CN={PUBLIC_NAME}", "-addext", names, "-out", str(certificate)]
    argv += ["-keyout", str(certificate.with_suffix(".key"))]
    subprocess.run(argv, check=True, timeout=30, capture_output=True)
    account = pwd.getpwnam("atrium")
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, account.pw_uid, account.pw_gid)
    return certificate


@pytest.fixture(scope="module")
def session(public: Deployment, browser: Browser) -> Iterator[BrowserContext]:
    """The founder's browser, with the founder's server running."""
    context = browser.new_context(ignore_https_errors=True)
    visitor = Visitor(public, "founder", sign_in(context, public, public.person("founder")))
    visitor.start_notebook()
    new_notebook(visitor.page)
    try:
        yield context
    finally:
        visitor.stop_everything()
        context.close()


@pytest.fixture
def founder(session: BrowserContext, public: Deployment) -> Iterator[Visitor]:
    """The founder on a page of their server."""
    page = session.new_page()
    page.goto(public.server_url(public.person("founder")) + "lab")
    page.locator("#jp-main-dock-panel").wait_for()
    yield Visitor(public, "founder", page)
    page.close()


@pytest.fixture(params=["sibling", "other site"])
def script(session: BrowserContext, public: Deployment, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page whose script belongs to somebody else, open in the founder's browser."""
    sibling = f"{public.origin_of(public.person('colleague'))}/page"
    address = {"sibling": sibling, "other site": OTHER_SITE}[request.param]
    page = session.new_page()
    page.route(address, lambda route: route.fulfill(content_type="text/html", body="<!doctype html><title>x</title>"))
    page.goto(address)
    yield page
    page.close()


def test_notebook_and_dashboard_work(founder: Visitor) -> None:
    new_notebook(founder.page)
    assert run_cell(founder.page, "6 * 7") == "42"
    code = "from hub.client import Api; Api.from_environment().me().name"
    assert run_cell(founder.page, code) == repr(founder.name)
    founder.open_dashboard("onboarding")


def test_cookies_stay_on_their_host_and_on_tls(founder: Visitor, session: BrowserContext) -> None:
    founder.open_dashboard("onboarding")
    cookies = {(cookie["domain"], cookie["name"]): cookie for cookie in session.cookies()}
    shared = {name for domain, name in cookies if domain.startswith(".")}
    assert shared == {"jupyterhub-session-id"}, "JupyterHub's number of a session, which signs nobody in"
    for cookie in cookies.values():
        assert cookie["secure"] and cookie["sameSite"] != "None", cookie
    signed = [cookie for (_, name), cookie in cookies.items() if name.startswith("__Host-")]
    assert len({cookie["domain"] for cookie in signed}) == 3, "the Hub, the person's server and the dashboards"
    assert all(cookie["httpOnly"] and cookie["path"] == "/" for cookie in signed)


SEND = """async ([url, method]) => {
    const body = ["GET", "HEAD"].includes(method) ? undefined : "{}";
    const options = {method, body, credentials: "include", headers: {"Content-Type": "text/plain"}};
    const blocked = () => "blocked";
    const read = await fetch(url, options).then(answer => answer.text(), blocked);
    return [read, await fetch(url, {...options, mode: "no-cors"}).then(answer => answer.type, blocked)];
}"""
"""What a script gets: the text of an answer that it may read; the type of one to a request sent without asking."""

UNREAD = ["blocked", "blocked"]


def test_a_script_reads_nothing(public: Deployment, founder: Visitor, script: Page) -> None:
    for address in readable_addresses(public, founder.name):
        assert fetch_as_the_page(founder.page, address), f"{address} is right"
        assert script.evaluate(SEND, [address, "GET"]) == UNREAD, address


def readable_addresses(public: Deployment, name: str) -> list[str]:
    return [
        f"{public.public_url}/hub/home",
        f"{public.public_url}/hub/api/user",
        f"{public.server_url(name)}api/contents",
        f"{public.settings.service_url('dashboards')}voila/render/onboarding.ipynb",
    ]


def fetch_as_the_page(page: Page, address: str) -> bool:
    """Whether a person who opens ``address`` gets an answer of their own."""
    opened = page.context.new_page()
    answer = opened.goto(address)
    opened.close()
    return answer is not None and answer.status == 200


def test_a_script_changes_nothing(public: Deployment, founder: Visitor, script: Page) -> None:
    hub, server = f"{public.public_url}/hub", public.server_url(founder.name)
    before = state(public, founder)
    for method, address in [
        ("POST", f"{hub}/api/users/{founder.name}/tokens"),
        ("POST", f"{hub}/logout"),
        ("POST", f"{hub}/spawn/{founder.name}/second"),
        ("POST", f"{server}api/kernels"),
        ("POST", f"{server}api/terminals"),
        ("POST", f"{server}api/contents"),
        ("POST", f"{server}voila/render/Untitled.ipynb"),
        ("POST", f"{public.settings.service_url('dashboards')}api/kernels"),
    ]:
        assert script.evaluate(SEND, [address, method]) == UNREAD, address
        submit_form(script, address)
    assert state(public, founder) == before


def submit_form(script: Page, address: str) -> None:
    """A form with a token of the script's own making, in a new window, as no rule of CORS stops one."""
    with script.context.expect_page() as opened:
        script.evaluate(
            """([url, domain]) => {
                document.cookie = `_xsrf=made-up; Path=/; Secure; Domain=${domain}`;
                const form = document.createElement("form");
                Object.assign(form, {method: "POST", action: url, target: "_blank"});
                form.innerHTML = '<input name="_xsrf" value="made-up">';
                document.body.append(form);
                form.submit();
            }""",
            [address, PUBLIC_NAME],
        )
    opened.value.wait_for_load_state()
    opened.value.close()
    script.context.clear_cookies(name="_xsrf", domain=f".{PUBLIC_NAME}")  # else the owner's own pages send it, too


def state(public: Deployment, founder: Visitor) -> dict[str, Any]:
    """What a script would change: tokens, servers, kernels, terminals and files of the person."""
    hub, server = f"{public.public_url}/hub", public.server_url(founder.name)
    home = founder.page.context.new_page()
    home.goto(f"{hub}/home")
    user = answer_of(home, f"{hub}/api/users/{founder.name}")
    tokens = answer_of(home, f"{hub}/api/users/{founder.name}/tokens")["api_tokens"]
    home.close()
    lab = founder.page
    return {
        "servers": sorted(user["servers"]),
        "tokens": sorted(token["note"] for token in tokens if "OAuth" not in token["note"]),
        "kernels": sorted(kernel["id"] for kernel in answer_of(lab, f"{server}api/kernels")),
        "terminals": answer_of(lab, f"{server}api/terminals"),
        "files": sorted(entry["name"] for entry in answer_of(lab, f"{server}api/contents")["content"]),
    }


def answer_of(page: Page, address: str) -> Any:
    answer = fetch(page, "GET", address)
    assert answer["status"] == 200, answer
    return json.loads(answer["text"])


def test_a_script_gets_no_web_socket(public: Deployment, founder: Visitor, script: Page) -> None:
    server = public.server_url(founder.name)
    [kernel, *_] = answer_of(founder.page, f"{server}api/kernels")
    channels = f"{server.replace('https', 'wss', 1)}api/kernels/{kernel['id']}/channels"

    assert websocket_opens(founder.page, channels), "the owner's own connection, to know that the address is right"
    assert not websocket_opens(script, channels)


def test_a_script_gets_no_frame(public: Deployment, founder: Visitor, script: Page) -> None:
    for address in (f"{public.public_url}/hub/home", f"{public.server_url(founder.name)}lab"):
        script.evaluate(
            """url => new Promise(resolve => {
                const frame = document.createElement("iframe");
                frame.onload = resolve;
                frame.src = url;
                document.body.append(frame);
            })""",
            address,
        )
        frame = script.frames[-1]
        assert frame.url.startswith("chrome-error:"), address


def test_a_sibling_cannot_set_the_cookies_that_sign_in(public: Deployment, founder: Visitor, script: Page) -> None:
    founder.page.goto(f"{public.public_url}/hub/home")
    names = [c["name"] for c in script.context.cookies(public.public_url) if c["name"].startswith("__Host-")]
    assert names
    for name in names:
        script.evaluate(
            "([name, domain]) => { document.cookie = `${name}=x; Path=/; Secure; Domain=${domain}`; }",
            [name, PUBLIC_NAME],
        )
    page = script.context.new_page()
    answer = page.goto(f"{public.public_url}/hub/home")
    assert answer is not None and answer.status == 200 and page.url.endswith("/hub/home")
    page.close()
