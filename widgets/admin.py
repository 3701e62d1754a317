"""The administration page: calls, projects, mail, the audit trail, and the programme with its helpers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup
from traitlets import Instance, Tuple, UseEnum

from hub.calls.models import CallChange, CallState, CallStatus, Programme, Source
from hub.client import Api
from hub.errors import Conflict
from hub.formats import quantity
from hub.home.models import Me
from hub.mail.models import Email, EmailState
from widgets.audit_words import change_words, event_words, object_words
from widgets.base import (
    Phase,
    State,
    Visitor,
    ask,
    facts,
    moment,
    notice,
    table,
    visitor,
)
from widgets.fields import button, buttons, check, checked, choice, fieldset, line, row
from widgets.hours import greeting
from widgets.tabs import PartedView, PartView

PAGE = 100
CALL_STATES = (("Open", CallState.OPEN), ("Paused", CallState.PAUSED), ("Closed", CallState.CLOSED))
LETTER_STATES = {
    EmailState.WAITING: ("warn", "waits to be sent"),
    EmailState.SENT: ("ok", "sent"),
    EmailState.KEPT: ("ok", "in the local mailbox"),
    EmailState.FAILED: ("bad", "could not be sent"),
}


class Part(StrEnum):
    CALLS = "calls"
    PROJECTS = "projects"
    MAIL = "mail"
    AUDIT = "audit"
    PROGRAMME = "programme"


TITLES = {
    Part.CALLS: "Calls",
    Part.PROJECTS: "Projects",
    Part.MAIL: "Mail",
    Part.AUDIT: "Audit trail",
    Part.PROGRAMME: "Programme and helpers",
}


class AdminState(State):
    me = Instance(Me, allow_none=True)
    programme = Instance(Programme, allow_none=True)
    part = UseEnum(Part, Part.CALLS)
    calls = Tuple(help="CallStatus of every call.")
    letters = Tuple(help="Email, the newest first.")
    events = Tuple(help="Event, the newest first.")
    projects = Tuple(help="ProjectView, by slug.")

    async def fetch(self, api: Api) -> Phase:
        """Raises :class:`hub.errors.NotAllowed` unless the visitor is an admin (checked by the audit trail's route)."""
        self.me, self.programme, calls, events = await asyncio.gather(
            ask(api.me), ask(api.calls.programme), ask(api.calls.all), ask(api.audit)
        )
        self.calls, self.events = calls, events
        await self._read(api)
        return Phase.READY

    async def open(self, api: Api, part: Part) -> None:
        await self._read(api, part)
        self.part = part

    async def _read(self, api: Api, part: Part | None = None) -> None:
        shown_part = part or self.part
        if shown_part is Part.CALLS:
            self.calls = await ask(api.calls.all)
        elif shown_part is Part.MAIL:
            self.letters = await ask(api.letters)
        elif shown_part is Part.AUDIT:
            self.events = await ask(api.audit)
        elif shown_part is Part.PROJECTS:
            self.projects = await ask(api.projects.all)

    async def change_call(self, api: Api, slug: str, change: CallChange) -> None:
        try:
            changed = await ask(api.calls.change, slug, change)
        except Conflict:
            self.calls = await ask(api.calls.all)
            raise
        self.calls = tuple(changed if status.call.slug == slug else status for status in self.calls)
        self.done = f"{changed.call.title} is {changed.state.value} now."

    async def more_letters(self, api: Api) -> None:
        older = await ask(api.letters, before=self.letters[-1].id if self.letters else None)
        self.letters = (*self.letters, *older)

    async def find_events(self, api: Api, *, on: str, who: str) -> None:
        self.events = await ask(api.audit, on=on.strip() or None, who=who.strip() or None)

    async def more_events(self, api: Api, *, on: str, who: str) -> None:
        last = self.events[-1].id if self.events else None
        older = await ask(api.audit, on=on.strip() or None, who=who.strip() or None, before=last)
        self.events = (*self.events, *older)

    async def more_projects(self, api: Api) -> None:
        older = await ask(api.projects.all, after=self.projects[-1].slug if self.projects else "")
        self.projects = (*self.projects, *older)


class AdminPart(PartView):
    state: AdminState


class Calls(AdminPart):
    def build(self) -> list[Any]:
        programme = self.state.programme
        assert programme is not None  # noqa: S101 - made when the page is ready
        self.text = HTML()
        self.call = choice("call", "Call", [(call.title, call.slug) for call in programme.calls], first=None)
        self.stage = choice("state", "State", CALL_STATES, first=None)
        self.full = {system.id: check("full_systems", f"{system.title} is full") for system in programme.systems}
        self.remark = line("note", "Note (optional)", "Shown to applicants: say until when.")
        self.call.control.observe(lambda _: self.fill(), "value")
        self.fill()
        return [
            self.text,
            fieldset(
                "Change a call",
                row(self.call, self.stage, self.remark),
                VBox(list(self.full.values())),
                buttons(button("Change the call", self.do("Changing the call", self._change), "primary")),
                about="Drafts are always kept. Nobody can submit to a call that is paused, closed or full.",
            ),
        ]

    def fill(self) -> None:
        status = next((status for status in self.state.calls if status.call.slug == self.call.value), None)
        if status is not None:
            self.seen = status.changed
            self.stage.value, self.remark.value = status.state, status.note
            for name, full in self.full.items():
                full.value = name in status.full_systems
                full.layout.display = "" if name in status.call.systems else "none"

    async def _change(self, api: Api) -> None:
        full = tuple(name for name, field in self.full.items() if field.value and field.layout.display != "none")
        values = {"state": self.stage.value, "full_systems": full, "note": self.remark.value, "seen": self.seen}
        try:
            await self.state.change_call(api, self.call.value, checked(CallChange, values))
        finally:
            self.fill()  # with what is stored, also if somebody else has changed it

    def draw(self) -> None:
        for field in (self.call, self.stage, self.remark):
            field.complain(self.state.problems.get(field.name, ""))
        rows = [
            (
                status.call.title,
                Markup('<span class="state {}">{}</span>').format(
                    "ok" if status.accepts else "warn", status.state.value
                ),
                ", ".join(status.full_systems) or "none",
                _next_cut_off(status),
                status.why_not or status.note,
            )
            for status in self.state.calls
        ]
        self.text.value = str(table(("Call", "State", "Full systems", "Next cut-off", "Note"), rows))


def _next_cut_off(status: CallStatus) -> Markup | str:
    if status.next_cut_off is not None:
        return moment(status.next_cut_off) + (" (planned)" if status.planned else "")
    return "none known" if status.call.cut_offs or status.call.planned_cut_offs else "at any time"


class Projects(AdminPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        return [self.text, buttons(button("Show more", self.do("Loading more", self.state.more_projects)))]

    def draw(self) -> None:
        rows = [
            (
                project.slug,
                project.title,
                f"{project.phase.value}, {project.state.value}",
                f"{quantity(project.gpu_hours)} GPU h, {quantity(project.cpu_hours)} core h",
                str(project.until or ""),
                "; ".join(
                    f"{step.step.value}: {step.remark}" for step in project.steps if step.remark and not step.done
                ),
            )
            for project in self.state.projects
        ]
        self.text.value = str(table(("Project", "Title", "State", "Hours", "Until", "Failed steps"), rows))


class Mail(AdminPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        return [
            self.text,
            buttons(
                button("Refresh", self.do("Looking", lambda api: self.state.open(api, Part.MAIL))),
                button("Show older mail", self.do("Loading more", self.state.more_letters)),
            ),
        ]

    def draw(self) -> None:
        if not self.state.letters:
            self.text.value = str(notice("info", "No mail has been written yet."))
            return
        letters = Markup("").join(letter(email) for email in self.state.letters)
        self.text.value = str(
            Markup('<section class="card part"><ul class="card-list">{}</ul></section>').format(letters)
        )


def letter(email: Email) -> Markup:
    """A mail as plain text; links in it are not clickable, because they are meant for the recipient."""
    kind, label = LETTER_STATES[email.state]
    inside = (
        Markup('<pre class="typed" tabindex="0">{}</pre>').format(email.text)
        if email.text
        else (Markup('<p class="quiet">Handed to the mail server. The text is no longer kept here.</p>'))
    )
    return Markup(
        '<li><details><summary>{subject}</summary>{inside}</details><p class="quiet">To {to} · {written} · '
        '<span class="state {kind}">{word}</span>{reason}</p></li>'
    ).format(
        subject=email.subject,
        inside=inside,
        to=email.to,
        written=moment(email.written),
        kind=kind,
        word=label,
        reason=f" · {email.reason}" if email.reason else "",
    )


class Audit(AdminPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        self.on = line("on", "Object (for example project/steel-1)")
        self.who = line("who", "Person (or worker)")
        return [
            fieldset(
                "Find",
                row(self.on, self.who),
                buttons(button("Find events", self.do("Looking", self._find), "primary")),
            ),
            self.text,
            buttons(button("Show older events", self.do("Loading more", self._more))),
        ]

    async def _find(self, api: Api) -> None:
        await self.state.find_events(api, on=self.on.value, who=self.who.value)

    async def _more(self, api: Api) -> None:
        await self.state.more_events(api, on=self.on.value, who=self.who.value)

    def draw(self) -> None:
        rows = [
            (moment(event.at), event.who, event_words(event), object_words(event.on), change_words(event))
            for event in self.state.events
        ]
        self.text.value = str(table(("Time", "Person", "Event", "Object", "Details"), rows))


class ProgrammeView(AdminPart):
    def build(self) -> list[Any]:
        self.text = HTML()
        return [self.text]

    def draw(self) -> None:
        programme = self.state.programme
        if programme is None:
            return
        sources = {source.id: source for source in programme.sources}
        helpers = [
            (
                Markup('<a href="{}" rel="noreferrer">{}</a>').format(helper.url, helper.name),
                helper.kind.value.upper(),
                ", ".join(helper.countries) or "all",
                ", ".join(helper.sectors) or "all",
                _cited(sources[helper.source]),
            )
            for helper in programme.helpers
        ]
        self.text.value = str(
            facts(
                [
                    ("Programme", programme.title),
                    ("As of", str(programme.as_of)),
                    ("Holidays", f"{len(programme.holidays)} days. {_doubt(programme.holidays_source, sources)}"),
                ]
            )
            + HOW_TO_EDIT
            + table(("Helper", "Kind", "Countries", "Sectors", "Source"), helpers, "Helpers nearby")
            + table(
                ("Source", "As of", "Confidence", "Address"),
                [
                    (source.title, str(source.as_of), source.confidence.value, source.url or "")
                    for source in programme.sources
                ],
                "Sources of the programme's figures",
            )
        )


def _cited(source: Source) -> str:
    return f"{source.title}, {source.as_of}. {source.doubt}".strip()


def _doubt(name: str | None, sources: Mapping[str, Source]) -> str:
    """What is not confirmed about values of a source, with its title; empty if all is."""
    source = sources.get(name or "")
    return f"{source.doubt} {source.title}." if source and source.doubt else ""


HOW_TO_EDIT = notice(
    "info",
    "Access modes, calls, figures and helpers come from one file on the server ([paths] programme in atrium.toml).",
    "Changes take effect at once. If the file has an error, the last valid version stays in use; see the API's log.",
)

PARTS: dict[Part, type[PartView]] = {
    Part.CALLS: Calls,
    Part.PROJECTS: Projects,
    Part.MAIL: Mail,
    Part.AUDIT: Audit,
    Part.PROGRAMME: ProgrammeView,
}


class Admin(PartedView):
    loading = "Loading the administration"
    state: AdminState

    def __init__(self, state: AdminState | None = None, person: Visitor = visitor) -> None:
        self._parts: dict[Part, PartView] = {}
        super().__init__(state or AdminState(), person)

    def go(self, address: str) -> None:
        part = address.strip("/")
        if part in tuple(Part) and self.state.phase is Phase.READY:
            self.do("Opening", lambda api: self.state.open(api, Part(part)))

    def part(self) -> PartView:
        if self.state.part not in self._parts:
            self._parts[self.state.part] = PARTS[self.state.part](self)
        return self._parts[self.state.part]

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        here = self.state.part
        places = Markup("").join(
            Markup('<li><a href="#/{}"{}>{}</a></li>').format(
                part.value, Markup(' aria-current="page"') if part is here else "", TITLES[part]
            )
            for part in Part
        )
        hub = os.environ.get("ATRIUM_HUB_URL", "/hub/")
        return greeting(self.state.me) + Markup(
            '<nav aria-label="Parts of the admin page"><ul class="stations">{}'
            '<li><a href="{}admin">People and servers</a></li></ul></nav><h2 tabindex="-1" data-arrived="{}">{}</h2>'
        ).format(places, hub, here.value, TITLES[here])
