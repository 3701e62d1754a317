"""Base of all views, without a browser: states, error messages, and escaping."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from hub.client import Api
from hub.errors import HubUnavailable, InvalidInput
from hub.home.models import Me
from hub.usage.models import Hours, ProjectHours
from widgets.base import Address, Phase, State, Visitor
from widgets.dataspace import Dataspace, DataspaceState
from widgets.fields import CHOOSE, choice
from widgets.hours import hours, project_cards


def project(cpu_left: float = 3100, used: float = 1900, title: str = "Green steel") -> dict[str, Any]:
    return {
        "slug": "green-steel",
        "title": title,
        "role": "lead",
        "cpu": {"granted": cpu_left + used, "used": used, "left": cpu_left},
        "gpu": {"granted": 0, "used": 0, "left": 0},
        "until": "2027-03-14",
        "as_of": None,
    }


def me(*projects: dict[str, Any], name: str = "Maria") -> Me:
    return Me.model_validate({"name": "maria", "display_name": name, "roles": [], "projects": list(projects)})


def api(answer: Me | int) -> Api:
    def handle(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "token t"
        if isinstance(answer, int):
            return httpx2.Response(answer)
        return httpx2.Response(200, text=answer.model_dump_json())

    return Api("http://api", "t", transport=httpx2.MockTransport(handle))


async def shown(view: Any) -> str:
    for _ in range(100):
        await asyncio.sleep(0.01)
        if view.state.phase is not Phase.LOADING:
            break
    return str(view.text.value)


# -- who is there -----------------------------------------------------------------------------------------------------


async def test_a_page_rendered_ahead_waits_for_its_visitor() -> None:
    person = Visitor()
    view = Dataspace(person=person)
    assert 'role="status"' in view.text.value
    assert "Loading data sets" in view.text.value

    person.api = api(me(project()))

    assert "Welcome, Maria." in await shown(view)


async def test_a_visitor_known_from_the_start_is_greeted(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Visitor(api=api(me(project())))

    assert "Welcome, Maria." in await shown(Dataspace(person=person))


def test_sign_in_takes_the_token_and_shows_it_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATRIUM_API_URL", "http://api")
    person = Visitor()

    person.sign_in("very-secret")

    assert person.api is not None
    assert "very-secret" not in repr(person) + repr(vars(person.api))


async def test_the_end_of_a_page_shows_a_message() -> None:
    person = Visitor(api=api(me()))
    view = Dataspace(person=person)
    await shown(view)

    person.leave("Put to <b>sleep</b>.")

    assert "Put to &lt;b&gt;sleep&lt;/b&gt;." in view.text.value


# -- states -----------------------------------------------------------------------------------------------------------


async def test_an_error_is_a_sentence_and_can_be_tried_again() -> None:
    person = Visitor(api=api(503))
    view = Dataspace(person=person)
    assert 'role="alert"' in await shown(view)
    assert view.retry.layout.display == ""

    with person.hold_trait_notifications():
        person.api = api(me(project()))

    assert "Welcome, Maria." in await shown(view)
    assert view.retry.layout.display == "none"


async def test_an_unexpected_error_shows_no_traceback() -> None:
    state = DataspaceState()

    await state.load(object())  # type: ignore[arg-type]

    assert state.phase is Phase.ERROR
    assert state.problem is not None
    assert "on our side" in state.problem.message


async def test_the_apis_message_is_shown() -> None:
    state = DataspaceState()

    await state.load(api(503))

    assert isinstance(state.problem, HubUnavailable)


# -- text -----------------------------------------------------------------------------------------------------------


async def test_names_are_text_never_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATRIUM_HUB_URL", 'http://hub/"><script>')
    bad = "<script>alert(1)</script>"

    html = await shown(Dataspace(person=Visitor(api=api(me(project(title=bad), name=bad)))))

    assert "<script" not in html + project_cards([ProjectHours.model_validate(project(title=bad))])
    assert html.count("&lt;script&gt;alert(1)") == 2


# -- hours ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"), [(3100, "3\u202f100\xa0h"), (0, "0\xa0h"), (0.5, "0.5\xa0h"), (-2, "-2\xa0h")]
)
def test_hours_have_a_unit_and_thin_spaces(value: float, words: str) -> None:
    assert hours(value) == words


def test_a_card_shows_remaining_and_granted_hours() -> None:
    card = project_cards([ProjectHours.model_validate(project())])

    assert "<strong>3\u202f100\xa0h</strong> of 5\u202f000\xa0h left" in card
    assert "not updated yet" in card
    assert "GPU" not in card


def test_a_budget_that_runs_out_is_marked() -> None:
    low, gone = (
        ProjectHours.model_validate({**project(), "cpu": Hours(granted=100, used=100 - left, left=left).model_dump()})
        for left in (5, 0)
    )

    assert 'class="low"' in project_cards([low])
    assert "left · nearly used up<" in project_cards([low])
    assert "left · used up<" in project_cards([gone])


def test_times_can_be_shown_in_the_readers_zone() -> None:
    card = project_cards([ProjectHours.model_validate({**project(), "as_of": "2027-01-02T03:04:00+01:00"})])

    assert "You are a lead of green-steel; until 14 March 2027" in card
    assert '<time datetime="2027-01-02T02:04:00+00:00" data-show="ago">2 Jan 02:04 UTC</time>' in card


async def test_the_frame_gets_name_and_roles_of_the_visitor() -> None:
    html = await shown(Dataspace(person=Visitor(api=api(me(project(), project(cpu_left=100), name='"><b>')))))

    assert 'data-frame-person="&#34;&gt;&lt;b&gt;"' in html
    assert 'data-frame-hours="green-steel: 3\u202f100 CPU; green-steel: 100 CPU"' in html


def test_a_choice_is_a_value_and_not_a_position() -> None:
    for first in (CHOOSE, None):
        field = choice("project", "Project", [("A", "a"), ("B", "b")], first=first)
        field.value = "b"
        field.offer([("B", "b"), ("C", "c")], first=first)
        assert field.value == "b"
        field.offer([("A", "a"), ("C", "c")], first=first)
        assert field.value is None
        with pytest.raises(InvalidInput) as refused:
            field.required("Choose a project.")
        assert refused.value.field == "project"


async def test_a_page_in_its_error_state_lets_the_browser_reload_once() -> None:
    state = State()
    address = Address(lambda _: None, state)
    for phase, answer in (
        (Phase.LOADING, ""),
        (Phase.READY, Address.AGAIN),
        (Phase.EMPTY, Address.AGAIN),
        (Phase.ERROR, Address.AGAIN),
    ):
        state.phase, address.value = phase, ""
        address.value = Address.WAITING
        assert address.value == answer
