"""The admin page without a browser."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.audit.models import Event
from hub.calls.models import CallChange, CallState, CallStatus
from hub.errors import NotAllowed
from hub.mail.models import Email, EmailState
from hub.projects.models import ProjectView
from tests.widgets.factory import MOMENT, Factory, FakeCalls, FakeProjects, project
from widgets.admin import Admin, Part
from widgets.base import Phase, Visitor

HOSTILE = '"><script>alert(1)</script>'


class OfficeProjects(FakeProjects):
    def all(self, *, after: str = "") -> tuple[ProjectView, ...]:
        return () if after else (project(title=HOSTILE),)


class OfficeCalls(FakeCalls):
    def __init__(self, office: Office) -> None:
        self.office = office

    def change(self, slug: str, change: CallChange) -> CallStatus:
        self.office.changed.append((slug, change))
        status = next(status for status in self.all() if status.call.slug == slug)
        return status.model_copy(update={"state": change.state, "accepts": False, "why_not": "The call is paused."})


class Office(Factory):
    def __init__(self) -> None:
        super().__init__()
        self.calls = OfficeCalls(self)
        self.projects = OfficeProjects(self)
        self.changed: list[tuple[str, CallChange]] = []
        self.audit_queries: list[tuple[str | None, str | None, int | None]] = []

    def audit(self, *, on: str | None = None, who: str | None = None, before: int | None = None) -> tuple[Event, ...]:
        self.audit_queries.append((on, who, before))
        return (
            Event(id=9, at=MOMENT, who="rita", what="decided", on="application/1", before={}, after={"why": HOSTILE}),
        )

    def letters(self, *, before: int | None = None) -> tuple[Email, ...]:
        letter = Email(
            id=3,
            to="jan@example.org",
            subject=HOSTILE,
            text=f"http://hub/#/invitation/x {HOSTILE}",
            state=EmailState.KEPT,
            written=MOMENT,
            delivered=None,
            attempts=1,
            reason="",
        )
        return (letter,) if before is None else ()


async def settled(view: Admin) -> None:
    for _ in range(200):
        await asyncio.sleep(0.01)
        if view.state.phase is not Phase.LOADING and not view.state.busy:
            return
    raise AssertionError("the view did not settle")


async def shown(office: Factory, part: Part = Part.CALLS) -> Admin:
    view = Admin(person=Visitor(api=office))
    await settled(view)
    view.go(part.value)
    await settled(view)
    return view


def everything(widget: Any) -> str:
    own = str(widget.value) if type(widget).__name__ == "HTML" else ""
    return own + "".join(everything(child) for child in getattr(widget, "children", ()))


@pytest.mark.parametrize("part", list(Part))
async def test_each_part_is_shown_and_user_input_is_escaped(part: Part) -> None:
    view = await shown(Office(), part)

    assert view.state.part is part
    assert f'data-arrived="{part}"' in view.text.value
    assert "<script" not in everything(view)


async def test_links_in_mail_stay_text() -> None:
    markup = everything(await shown(Office(), Part.MAIL))

    assert "http://hub/#/invitation/x" in markup
    assert 'href="http://hub' not in markup


async def test_a_call_is_paused_with_a_note() -> None:
    office = Office()
    view = await shown(office)
    calls: Any = view._parts[Part.CALLS]
    calls.stage.value, calls.remark.value = CallState.PAUSED, "Until Monday."
    calls.full["atrium-gpu"].value = True
    view.do("Changing the call", calls._change)
    await settled(view)

    [(slug, change)] = office.changed
    assert slug == calls.call.value
    assert (change.state, change.note, change.full_systems) == (CallState.PAUSED, "Until Monday.", ("atrium-gpu",))
    assert "The call is paused." in everything(view)


async def test_the_trail_can_be_searched_and_read_further() -> None:
    office = Office()
    view = await shown(office, Part.AUDIT)
    trail: Any = view._parts[Part.AUDIT]
    trail.on.value, trail.who.value = " project/steel-1 ", ""
    view.do("Looking", trail._find)
    await settled(view)
    view.do("Loading more", trail._more)
    await settled(view)

    assert office.audit_queries[-2:] == [("project/steel-1", None, None), ("project/steel-1", None, 9)]


async def test_others_get_a_sentence() -> None:
    class Refusing(Office):
        def audit(
            self, *, on: str | None = None, who: str | None = None, before: int | None = None
        ) -> tuple[Event, ...]:
            raise NotAllowed("Only admins may do this.")

    view = Admin(person=Visitor(api=Refusing()))
    await settled(view)

    assert "Only admins may do this." in view.text.value
    assert "stations" not in everything(view)
