"""The onboarding page: the steps of an application, one at a time, and the status after submission."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from ipywidgets import HTML, VBox
from markupsafe import Markup

from hub.client import Api
from widgets.applications import STATES
from widgets.base import Address, Phase, View, Visitor, activity, in_background, moment, notice, visitor
from widgets.fields import ButtonRow, Confirmation, button, buttons, choice, fieldset, line, row, show_outcome
from widgets.hours import greeting
from widgets.onboarding.declarations import Declarations
from widgets.onboarding.form import StepForm, show
from widgets.onboarding.mode import Mode
from widgets.onboarding.people import People
from widgets.onboarding.purpose import Purpose
from widgets.onboarding.resources import ResourcesStep
from widgets.onboarding.state import TITLES, OnboardingState, Step
from widgets.onboarding.status import Status
from widgets.onboarding.submit import Submit
from widgets.typed_text import save_state

LOOK_SECONDS = 10.0

FORMS: dict[Step, type[StepForm]] = {
    form.step: form for form in (People, Purpose, Mode, ResourcesStep, Declarations, Submit)
}
_ORDER = tuple(Step)


class Onboarding(View):
    loading = "Loading your applications"
    state: OnboardingState

    def __init__(self, state: OnboardingState | None = None, person: Visitor = visitor) -> None:
        self._forms: dict[Step, StepForm] = {}
        self._filled: dict[Step, int] = {}
        self._opened: int | None = None
        super().__init__(state or OnboardingState(), person)
        in_background(self._watch())

    def controls(self) -> tuple[Any, ...]:
        """Empty boxes at first: a step is built when it is shown, so that the page loads fast."""
        self.address = Address(self.go, self.state, ButtonRow.forget)
        self.invited = VBox()
        self.activity = HTML()
        self.place = VBox()
        self.more = VBox()
        self.status: Status | None = None
        self.token = ""
        return (self.address, self.activity, self.invited, self.place, self.more)

    # -- actions

    def go(self, address: str) -> None:
        """Open a step, an application (at a step) or an invitation; ``address`` is the text after ``#/``."""
        what, _, which = address.strip("/").partition("/")
        if what == "step" and which in _ORDER:
            self._keep_and_go(Step(which))
        elif what == "application":
            self._open(*which.partition("/")[::2])
        elif what == "new":
            self.state.start_another()
            self.state.step = Step(which) if which in _ORDER else Step.PEOPLE
        elif what == "invitation":
            self._show_invitation(which)

    def _open(self, number: str, step: str) -> None:
        if number.isdigit():
            self.do("Opening", lambda api: self.state.open(api, int(number), Step(step) if step in _ORDER else None))

    def _keep_and_go(self, step: Step) -> None:
        form = self._forms.get(self.state.step)
        if form is not None and self.state.editable:
            self.do("Saving", lambda api: form.keep(api, step))

    def _next(self, by: int) -> None:
        place = _ORDER.index(self.state.step) + by
        if 0 <= place < len(_ORDER):
            self.address.follow(f"step/{_ORDER[place]}")

    async def _watch(self) -> None:
        """Poll for changes that happen elsewhere (messages, decisions, provisioning)."""
        while not self.person.farewell:
            await asyncio.sleep(LOOK_SECONDS)
            if self.person.api is not None and self.state.phase is Phase.READY:
                await self.state.look(self.person.api)

    # -- display

    def draw(self) -> None:
        super().draw()
        ready = self.state.phase is Phase.READY and not self.person.farewell
        for part in (self.activity, self.invited, self.place, self.more):
            part.layout.display = "" if ready else "none"
        if not ready:
            return
        self._draw_place()
        self._draw_more()
        show_outcome(activity(self.state), self.activity, self.invited, self.place, self.more)

    def _draw_place(self) -> None:
        state = self.state
        application = state.application
        if application is not None and application.versions and self.status is None:
            self.status = Status(self, self.state)
        status = (self.status,) if self.status and application and application.versions else ()
        if self.status is not None:
            self.status.draw()
        if not state.editable:
            self.place.children = status
            return
        form = self._form(state.step)
        form.draw()
        children = (self._theirs(), form, self._steering(), *status) if state.theirs else (form, self._steering())
        changed_after_asking = (status[0].head,) if status and not state.theirs else ()
        self.place.children = (*changed_after_asking, *children, *((status[0].talk,) if status else ()))

    def _form(self, step: Step) -> StepForm:
        if step not in self._forms:
            self._forms[step] = FORMS[step](self, self.state)
        form = self._forms[step]
        if self._filled.get(step) != self.state.filled:
            self._filled[step] = self.state.filled
            form.fill()
        return form

    def _steering(self) -> Any:
        if not hasattr(self, "_steer"):
            self._back = button("Back", lambda: self._next(-1), hint="Save and go back")
            self._save = button("Save", lambda: self._next(0))
            self._on = button("Save and continue", lambda: self._next(1), "primary")
            self._saved = HTML()
            self._steer = VBox([buttons(self._back, self._save, self._on), self._saved])
        first, last = self.state.step is _ORDER[0], self.state.step is _ORDER[-1]
        self._back.layout.display = "none" if first else ""
        self._on.layout.display = self._save.layout.display = self._saved.layout.display = "none" if last else ""
        show(self._saved, save_state(saved(self.state)))
        return self._steer  # not disabled, which would drop the keyboard focus; the state runs one action at a time

    def _theirs(self) -> Any:
        if not hasattr(self, "_clash"):
            mine = button("Keep my changes", lambda: self.do("Saving", self.state.keep_mine), "primary")
            other = button("Use the other version", self.state.take_theirs)
            self._clash = fieldset(
                "This application was changed in another tab or on another device",
                buttons(mine, other),
                about="Nothing is lost: your changes are still below, and the other version is saved.",
            )
        return self._clash

    def _draw_more(self) -> None:
        """Show other applications and the button for a new one, if there is more than one."""
        state = self.state
        entries = [
            (f"{summary.reference} {summary.title or 'untitled'}: {STATES[summary.state][1].lower()}"[:120], summary.id)
            for summary in state.applications
        ]
        code = (self._code(),) if state.step is _ORDER[0] or not state.editable else ()
        deleting = (self._deleting(),) if state.application and state.application.summary.deletable else ()
        if not entries:
            self.more.children = (*code, *deleting)
            return
        if not hasattr(self, "_others"):
            self._others = choice("application", "Application", entries)
            self._more = fieldset(
                "Your applications",
                row(self._others),
                buttons(
                    button("Open application", self._open_chosen),
                    button("Start another application", state.start_another),
                ),
            )
        self._others.offer(entries)
        here = state.application.summary.id if state.application else None
        if self._opened != here:
            self._opened, self._others.value = here, here
        self.more.children = (self._more, *code, *deleting)

    def _deleting(self) -> Any:
        if not hasattr(self, "_delete"):
            self._confirmation = Confirmation()
            self._delete = fieldset(
                "Delete this draft",
                buttons(button("Delete this draft", self._ask_before_deleting)),
                self._confirmation,
                about="It was never submitted. Your profile and your organisation stay.",
            )
        return self._delete

    def _ask_before_deleting(self) -> None:
        if self.state.application is None:
            return
        summary = self.state.application.summary
        loss = f"{summary.reference} {summary.title or 'untitled'} will be deleted with everything in it."

        async def delete(api: Api) -> None:
            await self.state.delete(api, summary)

        act = partial(self.do, "Deleting the draft", delete)
        self._confirmation.ask(f"{loss} It cannot be restored.", "Delete it for good", act)

    def _open_chosen(self) -> None:
        if self._others.value is not None:
            self.go(f"application/{self._others.value}")

    # -- invitations

    def _code(self) -> Any:
        if not hasattr(self, "_invitation_code"):
            self.code = line("token", "Code of the invitation", "You find it in the invitation mail.")
            self.code.add_class("unkept")
            self._invitation_code = fieldset(
                "Have you been invited to a project?",
                row(self.code),
                buttons(button("View invitation", lambda: self._show_invitation(self.code.value.strip()))),
            )
        self.code.complain(self.state.problems.get("token", ""))
        return self._invitation_code

    def _show_invitation(self, token: str) -> None:
        self.token = token

        async def look(api: Api) -> None:
            await self.state.look_at_invitation(api, token)
            self._offer()

        self.do("Loading the invitation", look)

    def _offer(self) -> None:
        offer = self.state.offer
        if offer is None:
            self.invited.children = ()
            return
        about = Markup("{} invites you to <strong>{}</strong> as {}. The invitation expires on {}.").format(
            offer.by, offer.title, "a lead" if offer.role.value == "lead" else "a member", moment(offer.expires)
        )

        async def accept(api: Api) -> None:
            await self.state.accept(api, self.token)
            joined = Markup(
                'You have joined the project. <a href="projects.ipynb#/project/{}/usage">Open the project {}</a>'
            ).format(offer.project, offer.title)
            self.invited.children = (HTML(str(notice("ok", joined))),)

        accepting = button("Join the project", lambda: self.do("Joining", accept), "primary")
        leave = button("Not now", lambda: setattr(self.invited, "children", ()))
        self.invited.children = (fieldset("You are invited", buttons(accepting, leave), about=about),)
        accepting.focus()

    def content(self) -> Markup:
        assert self.state.me is not None  # noqa: S101 - the phase READY says so
        return greeting(self.state.me) + (path(self.state) if self.state.editable else Markup(""))


def path(state: OnboardingState) -> Markup:
    """List of the steps with the complete ones and the current one."""
    here = state.step
    steps = Markup("").join(
        Markup('<li class="{}"><a href="#/step/{}"{}>{}{}</a></li>').format(
            "done" if state.is_done(step) and step is not Step.SUBMIT else "",
            step.value,
            Markup(' aria-current="step"') if step is here else "",
            Markup('<span class="place">{}</span>').format(number),
            TITLES[step],
        )
        for number, step in enumerate(Step, 1)
    )
    place = _ORDER.index(here) + 1
    return Markup(
        '<nav aria-label="Steps of the application"><ol class="stations">{}</ol></nav>'
        '<h2 tabindex="-1" data-arrived="{}">{}</h2><p class="quiet">Step {} of {}.</p>'
    ).format(steps, here.value, TITLES[here], place, len(_ORDER))


def saved(state: OnboardingState) -> Markup:
    """When the API stored the draft; empty before it has one."""
    if state.application is None:
        return Markup("")
    return Markup("✓ Saved {}. You can continue later on any device.").format(moment(state.application.summary.changed))
