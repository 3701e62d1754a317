"""The Hub's pages: handlers, templates, and what the theme promises about colours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader
from jupyterhub import handlers

from hub.home.models import Overview
from hub.mail.models import Mailbox
from hub.pages import frame, overview, templating
from hub.pages import handlers as pages
from hub.settings import Settings, Site
from hub.slurm.jobs import Job

ROOT = Path(__file__).parents[3]
THEME = (frame.STATIC / "theme.css").read_text()
COLOUR = re.compile(
    r"#[0-9a-fA-F]{3,8}\b(?![-\w])|\b(?:rgba?|hsla?|oklch|color-mix)\(|:\s*(?:white|black|red|green|blue|gr[ae]y)\b"
)

OVERVIEW = {
    "me": {
        "name": "maria",
        "display_name": "Maria <Muster>",
        "roles": ["trainer"],
        "projects": [
            {
                "slug": "demo",
                "title": "Demo",
                "role": "member",
                "cpu": {"granted": 5000, "used": 1900, "left": 3100},
                "gpu": {"granted": 500, "used": 495, "left": 5},
                "until": "2027-03-14",
                "as_of": "2026-11-24T02:00:00Z",
            }
        ],
    },
    "announcements": [
        {"id": 7, "text": "Maintenance & rest", "severity": "warn", "starts": "2026-11-24T00:00:00Z", "ends": None}
    ],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(site=Site(name="Factory <1>", public_url="http://localhost:8000"), paths={"etc": tmp_path})


# -- handlers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def stock_handlers() -> Iterator[None]:
    before = list(handlers.default_handlers)
    yield
    handlers.default_handlers[:] = before


@pytest.mark.usefixtures("stock_handlers")
def test_install_replaces_home_once_and_keeps_the_rest(settings: Settings) -> None:
    before = {entry[0] for entry in handlers.default_handlers}
    pages.install(settings)
    pages.install(settings)
    paths = [entry[0] for entry in handlers.default_handlers]
    assert [entry[1] for entry in handlers.default_handlers if entry[0] == "/home"] == [pages.HomeHandler]
    ours = ("/atrium/scale", "/atrium/help", "/atrium/mail", "/atrium/static/(.*)")
    assert [paths.count(path) for path in ours] == [1, 1, 1, 1]
    assert before <= set(paths)


# -- servers ----------------------------------------------------------------------------------------------------------


def spawner(**known: Any) -> SimpleNamespace:
    defaults = {"name": "", "display_name": "", "active": True, "ready": True, "pending": None, "user_options": {}}
    return SimpleNamespace(**{**defaults, **known})


def person(*spawners: SimpleNamespace, **known: Any) -> SimpleNamespace:
    defaults = {
        "name": "maria",
        "escaped_name": "maria",
        "admin": False,
        "groups": [],
        "all_spawners": lambda: list(spawners),
        "server_url": lambda name: f"http://maria.localhost:8000/user/maria/{name}",
    }
    return SimpleNamespace(**{**defaults, **known})


def test_servers_tell_node_and_end_where_known() -> None:
    job = Job(7, "RUNNING", "maria", "cpu2", end=datetime(2026, 11, 24, 14, tzinfo=UTC))
    running, waiting = pages.servers(
        person(
            spawner(latest_job=job),
            spawner(name="big", pending="spawn", latest_job=None),
            spawner(name="old", active=False),
        )
    )
    assert (running.node, running.ends) == ("cpu2", datetime(2026, 11, 24, 14, tzinfo=UTC))
    assert (waiting.pending, waiting.ends) == ("spawn", None)
    assert waiting.pending_url == "/hub/spawn-pending/maria/big"


def test_a_paused_server_is_known_as_paused() -> None:
    jobs = [Job(7, state, "maria", "cpu2") for state in ("SUSPENDED", "STOPPED", "RUNNING")]
    [*servers] = pages.servers(person(*(spawner(latest_job=job) for job in jobs)))
    assert [server.paused for server in servers] == [True, True, False]


# -- templates --------------------------------------------------------------------------------------------------------

PAGES = sorted(path.name for path in frame.TEMPLATES.glob("*.html"))


def render(settings: Settings, name: str, *, user: Any = None, **variables: Any) -> str:
    environment = Environment(loader=FileSystemLoader(frame.TEMPLATES), autoescape=True, **templating.JINJA_OPTIONS)
    namespace = {
        "frame": templating.template_vars(settings)["frame"](user),
        "base_url": "/hub/",
        "prefix": "/",
        "user": user,
        "login_url": "/hub/login",
        "static_url": lambda path, **_: f"/hub/static/{path}",
        "xsrf": "XSRF",
        "xsrf_token": "XSRF",
        "version_hash": "1",
        "now": datetime(2026, 11, 24, 14, 2, tzinfo=UTC),
        "expanded_scopes": frozenset[str](),
    }
    return environment.get_template(name).render(**{**namespace, **variables})


VARIABLES: dict[str, dict[str, Any]] = {
    "login.html": {"authenticator": SimpleNamespace(request_otp=True, otp_prompt="OTP"), "username": "maria"},
    "home.html": {
        "answer": overview.Answer(Overview.model_validate(OVERVIEW), datetime(2026, 11, 24, 14, 2, tzinfo=UTC), True),
        "roles": {"trainer"},
        "servers": list(pages.servers(person(spawner()))),
        "default_server": spawner(),
        "spawners": [],
        "allow_named_servers": True,
        "url": "/hub/spawn/maria",
    },
    "spawn.html": {"for_user": person(), "spawner_options_form": "<fieldset></fieldset>", "url": "/hub/spawn?_xsrf=X"},
    "spawn_pending.html": {"spawner": spawner(name="big"), "progress_url": "/hub/api/p?_xsrf=X"},
    "stop_pending.html": {"spawner": spawner()},
    "paused.html": {"spawner": spawner()},
    "history.html": {"owner": person(), "server_name": "", "attempts": lambda *_: []},
    "not_running.html": {
        "failed": True,
        "failed_message": "No <hours> left.",
        "server_name": "",
        "spawn_url": "/hub/spawn/maria",
    },
    "error.html": {"status_code": 503, "status_message": "Busy <b>", "message": "m"},
    "404.html": {"status_code": 404, "status_message": "Not Found"},
    "oauth.html": {
        "oauth_client": SimpleNamespace(description="Server <1>", redirect_uri="/cb"),
        "allowed_scopes": ["self"],
        "scope_descriptions": [{"description": "Read", "filter": "", "scope": "self"}],
    },
    "accept-share.html": {
        "owner": person(),
        "spawner": spawner(),
        "spawner_ready": False,
        "scope_descriptions": [],
        "code": "CODE",
        "next_url": "/user/maria/",
    },
    "token.html": {
        "token_expires_in_options_html": "<option>1</option>",
        "api_tokens": [
            SimpleNamespace(
                api_id="a1", note="<laptop>", scopes=["self"], last_activity=None, created=None, expires_at=None
            )
        ],
        "oauth_clients": [],
    },
    "admin.html": {"api_page_limit": 50, "server_version": "6"},
    "mail.html": {"mailbox": None},
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_frame_one_h1_and_no_script_text(settings: Settings, name: str) -> None:
    html = render(settings, name, user=person(name="maria"), **VARIABLES.get(name, {}))
    assert len(re.findall("<h1", html)) == 1
    assert html.count("<main") == html.count('class="frame-header"') == html.count('class="frame-footer"') == 1
    assert 'href="#main"' in html and "Factory &lt;1&gt;" in html and "Factory <1>" not in html
    assert not re.search(r"<script(?![^>]*(?:src=|application/json))", html)
    assert not re.search(r"\son\w+=|\sstyle=", html)


def test_the_start_page_says_that_a_notebook_is_paused(settings: Settings) -> None:
    job = Job(7, "SUSPENDED", "maria", "cpu2", end=datetime(2026, 11, 24, 14, tzinfo=UTC))
    variables = VARIABLES["home.html"] | {"servers": list(pages.servers(person(spawner(latest_job=job))))}
    html = render(settings, "home.html", user=person(), **variables)
    assert "paused by the cluster; it goes on by itself" in html
    assert 'data-show="left"' not in html, "the pause moves the end"
    assert ">Open</a>" not in html and "data-stop" in html
    assert "data-pending" in html, "so that the page follows it"


@pytest.mark.parametrize("name", PAGES)
def test_every_form_that_posts_carries_the_xsrf_token(settings: Settings, name: str) -> None:
    html = render(settings, name, user=person(), **VARIABLES.get(name, {}))
    for form in re.findall(r'<form[^>]*method="post".*?</form>', html, re.DOTALL):
        assert 'name="_xsrf" value="XSRF"' in form or "_xsrf=" in form


def test_every_template_extends_the_frame() -> None:
    for name in PAGES:
        first = (frame.TEMPLATES / name).read_text().splitlines()[0]
        assert name == "page.html" or first in ('{% extends "page.html" %}', '{% extends "error.html" %}'), name


def test_home_shows_hours_staleness_and_roles(settings: Settings) -> None:
    html = render(settings, "home.html", user=person(), **VARIABLES["home.html"])
    assert "3\u202f100" in html and "of 5\u202f000 h left" in html and "nearly used up" in html
    assert "14:02 UTC" in html and "Maintenance &amp; rest" in html
    assert "Teach" in html and "Administration" not in html
    assert "Open notebook" in html and 'data-stop=""' in html
    assert 'href="/hub/atrium/continue?server="' in html


@pytest.mark.parametrize(
    ("outlook", "cpu_left", "runs_out", "words"),
    [
        ("too early", 300, None, "It is too early to say how long the hours last."),
        ("runs out", 300, "2027-01-05", "At this pace enough until"),
        ("used up", 0, "2026-11-24", "The CPU hours are used up."),
        ("unused", 300, None, ""),
    ],
)
def test_a_forecast_is_shown_only_where_there_is_one(
    settings: Settings, outlook: str, cpu_left: float, runs_out: str | None, words: str
) -> None:
    project = {**OVERVIEW["me"]["projects"][0], "outlook": outlook, "runs_out": runs_out}  # type: ignore[index]
    project |= {"cpu": {"granted": 500, "used": 500 - cpu_left, "left": cpu_left}}
    project |= {"gpu": {"granted": 50, "used": 10, "left": 40}}
    me = {**OVERVIEW["me"], "projects": [project]}  # type: ignore[dict-item]
    answer = overview.Answer(Overview.model_validate({"me": me, "announcements": []}), datetime.now(UTC))
    html = render(settings, "home.html", user=person(), **{**VARIABLES["home.html"], "answer": answer})
    sentences = ("too early to say", "enough until", "hours are used up")
    assert words in html
    assert sum(sentence in html for sentence in sentences) == bool(words)


def test_home_comes_up_when_the_api_never_answered(settings: Settings) -> None:
    variables = {**VARIABLES["home.html"], "answer": overview.Answer(stale=True), "roles": set(), "servers": []}
    html = render(settings, "home.html", user=person(), **variables)
    assert "are not available at the moment" in html and "Your project" not in html
    assert "You have no running notebooks" in html


def test_home_of_somebody_without_a_project_says_the_first_step(settings: Settings) -> None:
    me = {**OVERVIEW["me"], "projects": []}  # type: ignore[dict-item]
    answer = overview.Answer(Overview.model_validate({"me": me, "announcements": []}), datetime.now(UTC))
    html = render(settings, "home.html", user=person(), **{**VARIABLES["home.html"], "answer": answer})
    assert "No project yet" in html and "Apply for hours" in html


def test_home_follows_what_is_on_its_way_and_names_what_its_buttons_do(settings: Settings) -> None:
    waiting = list(pages.servers(person(spawner(name="big", pending="spawn"))))
    variables = {**VARIABLES["home.html"], "servers": waiting, "default_server": spawner(active=False, ready=False)}
    html = render(settings, "home.html", user=person(), **variables)
    assert "data-pending" in html and 'data-state="big:spawn"' in html
    live = re.findall(r'<\w+(?=[^>]*data-live)[^>]*id="([\w-]+)"', html)
    assert live == ["head-action", "servers", "next"]
    assert "Try material" not in html and html.count(">Start notebook</a>") == 2  # at the head and under Teach
    assert 'aria-label="GPU hours left"' in html and "<code>demo</code>" in html
    assert re.search(r"autofocus>Keep it running", html)


def test_an_error_page_says_what_a_report_needs(settings: Settings) -> None:
    html = render(settings, "error.html", status_code=404, status_message=None, message=None)
    assert "None" not in html and "2026-11-24 14:02:00 UTC" in html and "data-path" in html


def test_the_spawn_form_keeps_the_token_out_of_the_address(settings: Settings) -> None:
    html = render(settings, "spawn.html", user=person(), **VARIABLES["spawn.html"])
    assert "?_xsrf=" not in html and "action=" not in html


def test_shutting_the_hub_down_is_offered_to_those_only_who_may(settings: Settings) -> None:
    assert "data-may-shut-down" not in render(settings, "admin.html", user=person(), **VARIABLES["admin.html"])
    variables = {**VARIABLES["admin.html"], "expanded_scopes": {"shutdown"}}
    assert "data-may-shut-down" in render(settings, "admin.html", user=person(), **variables)


def test_opening_peoples_servers_is_offered_to_those_only_who_may(settings: Settings) -> None:
    assert "data-may-open" not in render(settings, "admin.html", user=person(), **VARIABLES["admin.html"])
    variables = {**VARIABLES["admin.html"], "expanded_scopes": {"access:servers"}}
    assert "data-may-open" in render(settings, "admin.html", user=person(), **variables)
    assert "#react-admin-hook:not([data-may-open]) .user-row a:has(> .btn-primary) { display: none; }" in THEME


def test_the_admins_page_has_a_question_for_each_button_that_ends_or_deletes_something(settings: Settings) -> None:
    html = render(settings, "admin.html", user=person(), **VARIABLES["admin.html"])
    [data] = re.findall(r'<script id="admin-data" type="application/json">(.*?)</script>', html, re.DOTALL)
    questions = json.loads(data)["questions"]
    asked_about = re.findall(r'\["[^"]+", "(\w+)"\]', (frame.STATIC / "admin.js").read_text())
    assert set(asked_about) == set(questions)
    assert all({"title", "text", "confirm"} <= question.keys() for question in questions.values())
    assert "#react-admin-hook .start-all { display: none; }" in THEME


def test_problems_are_reported_where_the_settings_say_and_else_nowhere(settings: Settings) -> None:
    address = settings.model_copy(update={"site": Site(report_to="help+atrium@example.eu")})
    for page in ("error.html", "help.html", "home.html"):
        variables = VARIABLES.get(page, {})
        assert 'href="mailto:help+atrium@example.eu"' in render(address, page, user=person(), **variables)
        html = render(settings, page, user=person(), **variables)
        assert "Report a problem" not in html and "report it as a problem" not in html and "#problem" not in html


MAIL = {
    "id": 7,
    "to": "maria@localhost",
    "subject": "Invitation <b>",
    "text": "Open http://dashboards--service.localhost:8000/services/#/invitation/x now <script>",
    "state": "kept",
    "written": "2026-11-24T02:00:00Z",
    "delivered": None,
    "attempts": 0,
    "reason": "",
}


def mail_page(settings: Settings, **changes: Any) -> str:
    mailbox = {"address": "maria@localhost", "is_sent": False, "mails": [MAIL], **changes}
    return render(settings, "mail.html", user=person(), mailbox=Mailbox.model_validate(mailbox))


def test_a_mail_is_shown_with_its_links_and_as_text(settings: Settings) -> None:
    html = mail_page(settings)
    link = "http://dashboards--service.localhost:8000/services/#/invitation/x"
    assert f'href="{link}"' in html and "&lt;script&gt;" in html and "Invitation &lt;b&gt;" in html
    assert "<script>" not in html.partition("<main")[2].partition("</main>")[0]
    assert "has no mail server" in html and "maria@localhost" in html and "Show older mail" not in html
    assert "atrium/mail?before=7" in mail_page(settings, mails=[MAIL] * 100)


def test_an_empty_mailbox_an_unknown_one_and_one_that_is_sent_differ(settings: Settings) -> None:
    assert "There is no mail for you" in mail_page(settings, mails=[])
    sent = mail_page(settings, mails=[], is_sent=True)
    assert "New mail to you is sent to maria@localhost" in sent and "no mail for you" not in sent
    unknown = render(settings, "mail.html", user=person(), mailbox=None)
    assert "not available at the moment" in unknown and "no mail for you" not in unknown


def test_every_page_leads_to_the_mail_of_its_person(settings: Settings) -> None:
    assert 'href="http://localhost:8000/hub/atrium/mail"' in render(settings, "help.html", user=person())


def test_trainers_and_analysts_read_what_is_there_and_what_is_not_yet(settings: Settings) -> None:
    cards = {}
    for role in ("trainer", "analyst"):
        html = render(settings, "home.html", user=person(), **{**VARIABLES["home.html"], "roles": {role}})
        assert html.count("Not yet:") == 1
        cards[role] = re.sub(r"<[^>]+>|\s+", " ", html.partition("Not yet:")[2])[:120]
    assert "join link" in cards["trainer"] and "publishing it as an app" in cards["analyst"]
    html = render(settings, "home.html", user=person(), **{**VARIABLES["home.html"], "roles": set()})
    assert "Not yet:" not in html


def test_the_help_page_names_the_command_for_packages(settings: Settings) -> None:
    assert "“%pip install NAME”" in render(settings, "help.html", user=person())


def test_pages_are_not_kept_by_browsers() -> None:
    assert pages.SECURITY_HEADERS["Cache-Control"] == "no-store"


def test_messages_of_errors_are_escaped(settings: Settings) -> None:
    html = render(settings, "error.html", status_code=500, status_message="<b>", message="<script>x</script>")
    assert "&lt;script&gt;" in html and "<script>x" not in html


def test_shared_partials_escape_even_where_the_environment_does_not() -> None:
    bare = Environment(loader=FileSystemLoader(frame.TEMPLATES))  # as nbconvert's
    around = frame.build(
        site_name="<i>", hub_url="http://h/hub/", dashboards_url="/d/", static_url="/s/", person="<b>"
    ).at("dataspaces")
    header = bare.get_template("frame/header.html").render(frame=around)
    assert "&lt;i&gt;" in header and "<b>" not in header and header.count('aria-current="page"') == 1
    assert "Accessibility" in bare.get_template("frame/footer.html").render(frame=around)


# -- colours ----------------------------------------------------------------------------------------------------------


def tokens(scheme: int) -> dict[str, str]:
    """The tokens of theme.css, light (0) or dark (1)."""
    declarations = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\);", THEME)
    return {name: pair[scheme] for name, *pair in declarations}


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_of_the_tokens(scheme: int) -> None:
    token = tokens(scheme)
    text, states, grounds = ("ink", "muted", "brand", "brand-strong"), ("ok", "warn", "bad", "info"), ("page", "card")
    for name, ground in product((*text, *states), (*grounds, "tint")):
        least = 5.8 if name in states and ground != "tint" else 4.5
        assert contrast(token[name], token[ground]) >= least, (name, ground)
    for ground in (*grounds, "tint"):
        assert contrast(token["edge"], token[ground]) >= 3
    for ground in ("brand", "brand-strong"):
        assert contrast(token["on-brand"], token[ground]) >= 7
    for state in states:
        assert contrast(token["on-state"], token[state]) >= 5.8


def test_colours_are_named_in_the_token_block_only() -> None:
    start, end = THEME.index("/* ---------- tokens"), THEME.index("/* ---------- measures")
    texts = {"theme.css outside its tokens": THEME[:start] + THEME[end:]}
    for folder, kinds in product(
        (ROOT / "hub", ROOT / "notebooks/voila", ROOT / "widgets"), ("*.css", "*.js", "*.html", "*.j2")
    ):
        texts |= {
            str(path): path.read_text()
            for path in folder.rglob(kinds)
            if path.name != "theme.css" and "labextension" not in path.parts  # lives in JupyterLab, see below
        }
    stray_colours = {name: match.group() for name, text in texts.items() if (match := COLOUR.search(text))}
    assert not stray_colours


def test_pictures_that_cannot_load_the_theme_have_its_colours() -> None:
    pictures = [frame.STATIC / "favicon.svg", *(ROOT / "widgets").glob("labextension/**/*.js")]
    colours = {colour for path in pictures for colour in re.findall(r"#[0-9A-F]{6}\b", path.read_text())}
    assert colours <= set(tokens(0).values())


APPLICATION = {
    "id": 7,
    "reference": "A-00007",
    "title": "Steel",
    "call": None,
    "state": "approved",
    "changed": "2026-11-24T02:00:00Z",
    "submitted": None,
    "due": None,
    "mine": True,
}


@pytest.mark.parametrize("steps", [{}, {"data": True, "scaling": True}], ids=["begun", "done"])
def test_first_steps_are_ticked_when_done_and_each_is_a_link(settings: Settings, steps: dict[str, bool]) -> None:
    content = Overview.model_validate({**OVERVIEW, "application": APPLICATION, "steps": steps})
    answer = overview.Answer(content, datetime(2026, 11, 24, 14, 2, tzinfo=UTC))
    html = render(settings, "home.html", user=person(), **{**VARIABLES["home.html"], "answer": answer})

    path = html[html.index('<ol class="path">') : html.index("</ol>", html.index('<ol class="path">'))]
    entries = path.split("<li")[1:]
    assert len(entries) == 5
    assert all('<a href="' in entry for entry in entries)
    is_ticked = ['class="done"' in entry for entry in entries]
    assert is_ticked == [True, True, False, bool(steps), bool(steps)]
