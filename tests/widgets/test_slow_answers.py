"""Answers that come after the person has gone on: they change nothing that belongs to something else."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hub.applications.models import Application, ApplicationState
from hub.dataspace.models import RemoteUse
from hub.errors import AtriumError, TermsNotAccepted
from tests.widgets.factory import Factory, project
from tests.widgets.test_dataspace import SlowApi, page
from tests.widgets.test_onboarding import started
from widgets.base import Address, Phase, State
from widgets.dataspace import DataspaceState
from widgets.onboarding.state import OnboardingState
from widgets.projects.state import Part, ProjectsState


@pytest.fixture
def slow() -> SlowApi:
    return SlowApi()


async def two_submitted(factory: Factory) -> tuple[OnboardingState, Application, Application]:
    """A page that shows the first of two submitted applications."""
    state = await started(factory)
    for title in ("First", "Second"):
        state.start_another()
        await state.keep(factory, {"title": title})
    for number, draft in factory.saved.items():
        summary = draft.summary.model_copy(update={"state": ApplicationState.SUBMITTED})
        factory.saved[number] = draft.model_copy(update={"summary": summary})
    first, second = factory.saved.values()
    await state.open(factory, first.summary.id)
    return state, first, second


@pytest.mark.parametrize("meanwhile", ["open", "say", "start another"])
async def test_news_of_an_application_do_not_come_back_after_the_person_went_on(slow: SlowApi, meanwhile: str) -> None:
    factory = Factory()
    state, first, second = await two_submitted(factory)
    api: Any = SimpleNamespace(applications=slow, projects=slow)
    look = asyncio.create_task(state.look(api))
    await slow.requested(2)
    if meanwhile == "open":
        await state.act("Opening", state.open(factory, second.summary.id))
    elif meanwhile == "say":
        await state.act("Sending", state.say(factory, "A question"))
    else:
        state.start_another()
    shown = state.application
    older, projects = slow.calls
    older.set_result(first.model_copy(update={"revision": first.revision + 1}))
    projects.set_result(())
    await look
    assert state.application is shown


async def test_helpers_are_those_of_the_last_sector(slow: SlowApi) -> None:
    state = OnboardingState()
    api: Any = SimpleNamespace(calls=slow)
    first = asyncio.create_task(state.quietly(state.find_helpers(api, "health")))
    await slow.requested(1)
    second = asyncio.create_task(state.quietly(state.find_helpers(api, "energy")))
    await slow.requested(2)
    older, newer = slow.calls
    newer.set_result(("energy",))
    await second
    older.set_result(("health",))
    await first
    assert state.helpers == ("energy",)


async def test_code_for_a_file_is_not_shown_under_another_record(slow: SlowApi) -> None:
    state, api = DataspaceState(), slow
    state.record, state.snippets = page(), ("",)
    use = asyncio.create_task(state.do(api, {"do": "use", "id": 1, "file": 0}))  # type: ignore[arg-type]
    await slow.requested(1)
    state.record, state.snippets = page(id=2), ("of the second record",)
    slow.calls[0].set_result(RemoteUse(code="of the first record", address="https://x.example/a.csv"))
    await use
    assert (state.snippets, state.trouble) == (("of the second record",), None)


async def test_terms_that_come_late_do_not_replace_another_record(slow: SlowApi) -> None:
    state, api = DataspaceState(), slow
    state.record, state.snippets = page(), ("",)
    bring = asyncio.create_task(state.do(api, {"do": "use", "id": 1, "file": 0}))  # type: ignore[arg-type]
    await slow.requested(1)
    slow.calls[0].set_exception(TermsNotAccepted("The terms have changed."))
    await slow.requested(2)
    opened = asyncio.create_task(state.do(api, {"do": "open", "id": 2}))  # type: ignore[arg-type]
    await slow.requested(3)
    _, terms, record = slow.calls
    record.set_result(page(id=2))
    await opened
    terms.set_result(page())
    await bring
    assert state.record is not None
    assert state.record.id == 2


async def test_a_part_is_that_of_the_project_in_front_of_the_person(slow: SlowApi) -> None:
    state = ProjectsState()
    state.projects, state.slug, state.part = (project("first"), project("second")), "first", Part.EXTENSION
    api: Any = SimpleNamespace(projects=slow)
    first = asyncio.create_task(state._read(api))
    await slow.requested(1)
    second = asyncio.create_task(state.act("Opening", state.open(api, "second", Part.EXTENSION)))
    await slow.requested(2)
    older, newer = slow.calls
    newer.set_result(("of the second",))
    await second
    older.set_result(("of the first",))
    await first
    assert (state.slug, state.extensions, state.trouble) == ("second", ("of the second",), None)


async def test_a_link_that_is_followed_while_the_page_loads_waits_for_it() -> None:
    state = State()
    followed: list[str] = []
    address = Address(followed.append, state)
    address.follow("case/7")
    assert followed == []
    state.phase = Phase.READY
    assert followed == ["case/7"]


async def test_an_action_that_something_newer_replaced_is_no_error() -> None:
    state = State()
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    action = asyncio.create_task(state.act("Reading", _newest(state, answer)))
    await asyncio.sleep(0)
    state.supersede("part")
    answer.set_exception(AtriumError("No."))
    assert await action
    assert state.trouble is None


async def _newest(state: State, answer: asyncio.Future[None]) -> None:
    await state.newest("part", answer)
