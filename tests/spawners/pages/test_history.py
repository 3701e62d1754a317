"""Attempts as pages show them (in a browser: tests/e2e/test_waiting.py)."""

import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from jupyterhub import handlers
from jupyterhub.handlers.base import UserUrlHandler

from hub.pages import handlers as pages
from hub.servers.models import Attempt, AttemptState, Ending
from hub.settings import Settings, Site
from spawners.job import request as options
from spawners.pages import history
from tests.hub.pages.test_handlers import VARIABLES, person, render, spawner

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)


def attempt(number=1, server="", ending=None, ago=timedelta(hours=1), **known):
    values = {
        "id": number,
        "person": "maria",
        "server": server,
        "request": {},
        "job_id": 7,
        "node": "cpu1",
        "port": None,
        "requeues": 0,
        "created": NOW - timedelta(hours=3),
        "submitted": None,
        "started": None,
        "ready": None,
        "ended": NOW - ago if ending else None,
        "ends": None,
        "ending": ending,
        "message": "",
        "hint": "",
        "slurm_state": "",
        "exit_code": "",
        "reason": "",
        "log_tail": "",
        "tell": False,
        "state": AttemptState.ENDED if ending else AttemptState.READY,
    }
    return Attempt(**{**values, **known})


def test_every_ending_and_state_has_words():
    assert set(history.ENDINGS) == set(Ending) and set(history.STATES) == set(AttemptState)
    assert history.standing(attempt(ending=Ending.OUT_OF_MEMORY)) == "out of memory"
    assert history.standing(attempt()) == "running"
    assert [history.sign(attempt(ending=e)) for e in (None, Ending.CRASHED, Ending.STOPPED)] == ["ok", "bad", ""]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (
            {"cpus": 2, "memory_gb": 4, "minutes": 240, "partition": "notebooks"},
            "2 cores, 4\u202fGB, 4\u202fh in notebooks",
        ),
        ({"cpus": 1, "gpus": 1, "gpu_type": "a100"}, "1 core, 1 GPU a100"),
        ({"gpus": 2, "cpus": "many", "minutes": None}, "2 GPUs"),
        ({}, ""),
    ],
)
def test_a_request_is_described_in_words(request_, sentence):
    assert options.in_words(request_) == sentence


def test_a_request_names_who_pays():
    assert options.with_project({"cpus": 2, "partition": "notebooks", "account": "demo"}) == (
        "2 cores in notebooks, project demo"
    )
    assert options.with_project({"cpus": 2}) == "2 cores"
    assert options.with_project({"account": "demo"}) == ""


def test_a_link_has_only_the_options_that_are_set():
    assert history.link({"cpus": 2, "qos": "", "gpus": 0, "account": "a&b=c"}) == "opt-cpus=2&opt-account=a%26b%3Dc"


def test_a_smaller_size_is_offered_only_when_it_is_smaller():
    assert history.smaller({"cpus": 8, "memory_gb": 16}).name == "small"
    assert history.smaller({"cpus": 2, "memory_gb": 4}) is None
    assert history.smaller({"cpus": 1, "memory_gb": 64}) is None
    assert history.smaller({}) is None


def test_the_waiting_time_is_a_duration():
    assert history.waited(attempt(started=NOW - timedelta(hours=1))) == "2\u202fh"
    assert history.waited(attempt()) == ""


def test_the_start_page_lists_unexpected_endings_only():
    past = [
        attempt(9, "big", Ending.OUT_OF_MEMORY),
        attempt(8, "big", Ending.CRASHED),
        attempt(7, "", Ending.STOPPED),
        attempt(6, "", Ending.TIME_LIMIT),
        attempt(5, "old", Ending.NODE_FAILED, ago=timedelta(days=8)),
        attempt(4, "runs"),
        attempt(3, "again", Ending.IDLE),
    ]
    assert [entry.id for entry in history.endings_to_tell(past, {"runs"}, NOW)] == [9, 3]
    assert [entry.id for entry in history.endings_to_tell(past, {"big", "again"}, NOW)] == []


def test_handlers_take_their_places_whatever_the_order(tmp_path):
    before = list(handlers.default_handlers)
    try:
        pages.install(Settings(paths={"etc": tmp_path}))
        for _ in range(2):
            history.install()
        handlers_by_path = {entry[0]: entry for entry in handlers.default_handlers}
        assert handlers_by_path["/home"][1] is history.HomePage and "overviews" in handlers_by_path["/home"][2]
        kinds = [entry[1] for entry in handlers.default_handlers]
        assert kinds.count(history.PendingPage) == 2 and kinds.count(history.ServerPage) == 1
        assert len([entry for entry in handlers.default_handlers if entry[0].startswith("/atrium/history")]) == 1
    finally:
        handlers.default_handlers[:] = before


# -- pages ------------------------------------------------------------------------------------------------------------

HOSTILE = attempt(
    9,
    ending=Ending.OUT_OF_MEMORY,
    message="It needed more memory than <b>4 GB</b>.",
    hint="Ask for 8 GB or more.",
    request={"cpus": 2, "memory_gb": 4, "partition": "notebooks", "qos": "", "account": '"><script>x</script>'},
    log_tail="first\n</pre><script>alert(1)</script>",
    slurm_state="OUT_OF_MEMORY",
    exit_code="0:125",
    started=NOW - timedelta(hours=2),
)


def shown(name, *past, **variables):
    functions = {
        "attempts": lambda *_: list(past),
        "endings": lambda *_: list(past),
        "asked_for": options.with_project,
        "link": history.link,
        "smaller": history.smaller,
        "standing": history.standing,
        "sign": history.sign,
        "waited": history.waited,
    }
    settings = Settings(site=Site(name="Factory", public_url="http://localhost:8000"))
    html = render(settings, name, user=person(), **{**VARIABLES[name], **functions, **variables})
    assert "<script>alert" not in html and "<b>4 GB" not in html and '"><script>' not in html
    return html


def test_a_failed_start_shows_verdict_hint_log_and_how_to_go_on():
    html = shown("not_running.html", HOSTILE, failed=True, failed_message=f"{HOSTILE.message} {HOSTILE.hint}")
    assert html.count("It needed more memory") == 1 and "Ask for 8 GB or more." in html
    assert "first\n&lt;/pre&gt;" in html and "OUT_OF_MEMORY" in html and "0:125" in html
    assert 'name="memory_gb" value="4"' in html and 'name="qos"' not in html
    assert "Try again" in html and "Change the choice" in html and "/hub/atrium/history/maria/" in html


def test_a_failure_that_never_reached_the_ledger_is_not_mixed_with_an_older_one():
    html = shown("not_running.html", HOSTILE, failed=True, failed_message="You have no account on this machine yet.")
    assert "You have no account" in html and "more memory" not in html


@pytest.mark.parametrize("past", [None, []])
def test_a_failure_is_told_when_the_ledger_cannot_be_read(past):
    html = shown("not_running.html", attempts=lambda *_: past, failed=True, failed_message="The database is away.")
    assert "The database is away." in html and "Try again" in html


def test_a_server_that_ran_and_ended_says_when_and_why():
    html = shown("not_running.html", HOSTILE.model_copy(update={"ready": NOW}), failed=False)
    assert "It ended at" in html and "more memory" in html


def test_history_is_a_table_with_labels_for_a_phone():
    html = shown("history.html", HOSTILE, attempt(3, node="cpu2"), owner=person())
    assert html.count("<tr>") == 3 and html.count("data-label=") == 12
    assert "out of memory" in html and "Ask for 8 GB or more." in html and "running" in html
    assert "is not available at the moment" in shown("history.html", owner=person(), attempts=lambda *_: None)
    assert "Nothing yet" in shown("history.html", owner=person())
    assert 'href="/hub/spawn/maria/..%2F..%2Flogout"' in shown(
        "history.html", owner=person(), server_name="../../logout"
    )
    assert "the history of jan" in shown("history.html", owner=person(name="jan"))


def test_the_waiting_page_knows_the_steps_done_before_it_was_opened():
    waiting = attempt(5, state=AttemptState.WAITING, submitted=NOW, tell=True, request={"cpus": 2})
    html = shown("spawn_pending.html", waiting)
    assert re.search(r'data-step="submitted">', html) and re.search(r'data-step="waiting" aria-current', html)
    assert re.search(r'data-step="ready" data-todo', html) and "14:02 UTC" in html
    assert "Cancel and choose something else" in html
    big = waiting.model_copy(update={"request": {"cpus": 8, "memory_gb": 32}})
    assert "Use “Small” instead" in shown("spawn_pending.html", big)
    assert "You get a mail when it is ready" in html and 'name="wanted" value="0"' in html
    html = shown("spawn_pending.html", HOSTILE)
    assert 'name="wanted" value="1"' in html, "an attempt that is over says nothing of the one on its way"


def test_the_start_page_tells_of_endings_and_links_to_the_history():
    html = shown("home.html", HOSTILE)
    assert 'id="ended-9" data-dismissible' in html and "Your notebook did not start at" in html
    assert "out of memory" in html and 'href="/hub/atrium/history/maria/"' in html


def test_history_and_running_card_show_project_and_size():
    request = {"cpus": 2, "memory_gb": 4, "minutes": 240, "partition": "notebooks", "account": "green-steel"}
    running = attempt(3, node="cpu2", request=request)
    words = "2 cores, 4\u202fGB, 4\u202fh in notebooks, project green-steel"
    assert words in shown("history.html", running, owner=person())
    servers = list(pages.servers(person(spawner())))
    card = shown("home.html", running, servers=servers, endings=lambda *_: [])
    assert words in card
    ended = running.model_copy(update={"ended": NOW})
    assert words not in shown("home.html", ended, servers=servers, endings=lambda *_: []), "of an earlier job"


@pytest.mark.parametrize("since", [None, NOW - timedelta(seconds=40)])
def test_a_silent_slurm_is_told_on_every_page(since):
    html = shown("history.html", owner=person(), slurm=SimpleNamespace(error="x", silent_since=since), now=NOW)
    assert ("Slurm has not answered for 40\u202fs." in html) is bool(since)
    assert "your notebooks go on running." in html
    assert "your notebooks" not in shown("history.html", owner=person(), slurm=SimpleNamespace(error=None))


# -- programs at a server's address -----------------------------------------------------------------------------------


class Answered(history.ServerPage):
    """The page without a Hub: keeps its answer."""

    def __init__(self, headers, user=None):
        self.request = SimpleNamespace(headers=dict(headers), path="/hub/user/maria/lab")
        self._jupyterhub_user = user
        self.answer = None

    def set_status(self, status):
        self.status = status

    def set_header(self, name, value):
        self.kind = value

    def finish(self, model):
        self.answer = model


@pytest.mark.parametrize("headers", [{"Authorization": "token wrong"}, {"Accept": "application/json"}])
async def test_a_program_without_a_valid_token_is_not_led_to_the_sign_in_page(headers):
    page = Answered(headers)
    await page.get("maria", "/lab")

    assert (page.status, page.kind, page.answer["status"]) == (403, "application/json", 403)
    assert "Authorization: token" in page.answer["message"]


@pytest.mark.parametrize("program", [True, False])
async def test_jupyterhub_answers_a_program_with_json_and_a_person_with_a_page(monkeypatch, program):
    seen = []

    async def get(page, *_path):
        seen.append(page.request.headers.get("Accept"))

    monkeypatch.setattr(UserUrlHandler, "get", get)
    page = Answered({"Authorization": "token right"} if program else {"Accept": "text/html"}, user="maria")
    await page.get("maria", "/lab")

    assert seen == ["application/json" if program else "text/html"]


def test_what_a_program_reads_of_a_server_that_does_not_run(monkeypatch):
    monkeypatch.setattr(history, "load", lambda: Settings(site=Site(public_url="http://localhost:8000")))
    page = Answered({})
    page._fail_api_request("maria", "")

    assert (page.status, page.kind) == (424, "application/json")
    assert "POST http://localhost:8000/hub/api/users/maria/server " in page.answer["message"]
