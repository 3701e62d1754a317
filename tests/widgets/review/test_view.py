"""The review desk without a browser: conflict first, one decision, and text that stays text."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from markupsafe import escape

from hub.applications.models import ApplicationState, Decision, Form, Version
from hub.calls.models import OrganisationKind
from hub.errors import Conflict, NotAllowed
from hub.home.models import Me
from hub.identity.models import Role
from hub.organisations.models import OrganisationForm
from hub.projects.models import Extension, ExtensionState
from hub.reviews.client import Reviews
from hub.reviews.models import Case, DecisionForm, Queue, QueueEntry, QueueFilter, Review, ReviewForm
from tests.widgets.factory import MOMENT, PROGRAMME, Factory, FakeProjects, version
from widgets.base import Phase, Visitor
from widgets.fields import visible_rows
from widgets.review.case import consequences
from widgets.review.state import due
from widgets.review.view import ReviewDesk

HOSTILE = '"><script>alert(1)</script>'
FORM = Form(title=HOSTILE, use_case=HOSTILE, resources={"gpu_hours": 100, "cpu_hours": 10})
ORGANISATION = OrganisationForm(name=HOSTILE, kind=OrganisationKind.COMPANY, country="DE")


def entry(**more: Any) -> QueueEntry:
    values: dict[str, Any] = {
        "id": 7,
        "reference": "A-00007",
        "title": HOSTILE,
        "applicant": "Maria <b>Founder</b>",
        "call": "playground-2026",
        "mode": "playground",
        "sector": "energy",
        "organisation": HOSTILE,
        "country": "DE",
        "state": ApplicationState.SUBMITTED,
        "version": 1,
        "submitted": MOMENT,
        "age_days": 1,
        "due": date(2026, 11, 26),
        "working_days_left": 2,
        "overdue": False,
        "reviews": 0,
        "reviews_needed": 1,
        "declared": None,
        "reviewed": False,
        "barred": "",
    }
    return QueueEntry.model_validate({**values, **more})


class DeskReviews(Reviews):
    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def queue(self, queue_filter: QueueFilter | None = None) -> Queue:
        self.desk.filters.append(queue_filter or QueueFilter())
        return Queue(entries=(self.desk.entry,), total=1)

    def declare_conflict(self, number: int, *, conflict: bool, remarks: str = "") -> QueueEntry:
        self.desk.entry = entry(declared=conflict)
        return self.desk.entry

    def case(self, number: int) -> Case:
        if self.desk.entry.declared is not False:
            raise NotAllowed("Declare first.")
        return Case(
            entry=self.desk.entry,
            version=version(FORM, ORGANISATION),
            previous=self.desk.previous,
            reviews=self.desk.reviewed,
            messages=(),
            decision=self.desk.decided,
        )

    def review(self, number: int, review: ReviewForm) -> Case:
        values = review.model_dump()
        self.desk.reviewed = (Review(reviewer="rita", at=MOMENT, **values),)
        self.desk.entry = self.desk.entry.model_copy(update={"reviews": 1, "reviewed": True})
        return self.case(number)

    def decide(self, number: int, decision: DecisionForm) -> Case:
        self.desk.decisions.append(decision)
        if self.desk.decided is not None:
            raise Conflict("It is approved already.", field="state")
        self.desk.others_decide()
        return self.case(number)


class DeskProjects(FakeProjects):
    def decide_extension(self, number: int, *, grant: bool, answer: str) -> Any:
        assert isinstance(self.factory, Desk)
        self.factory.extensions_decided.append((number, grant, answer))

    def open_extensions(self) -> tuple[Extension, ...]:
        return (
            Extension(
                id=1,
                project="steel-1",
                by="maria",
                months=1,
                cpu_hours=0,
                gpu_hours=0,
                reason=HOSTILE,
                state=ExtensionState.OPEN,
                answer="",
                created=MOMENT,
            ),
        )


class Desk(Factory):
    """One application, and what the API says of it to a reviewer."""

    def __init__(self) -> None:
        super().__init__()
        self.person = Me(name="rita", display_name="Rita", roles=(Role.REVIEWER,), projects=())
        self.projects = DeskProjects(self)
        self.reviews = DeskReviews(self)
        self.entry = entry()
        self.reviewed: tuple[Review, ...] = ()
        self.decided: Decision | None = None
        self.decisions: list[DecisionForm] = []
        self.extensions_decided: list[tuple[int, bool, str]] = []
        self.previous: Version | None = None
        self.filters: list[QueueFilter] = []

    def others_decide(self) -> None:
        self.entry = self.entry.model_copy(update={"state": ApplicationState.APPROVED})
        self.decided = Decision(
            approved=True, reason="Good.", cpu_hours=1, gpu_hours=1, storage_gb=0, at=MOMENT, project=None
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def settled(view: ReviewDesk) -> None:
    for _ in range(200):
        await asyncio.sleep(0.01)
        if view.state.phase is not Phase.LOADING and not view.state.busy:
            return
    raise AssertionError("the view did not settle")


async def shown(desk: Factory) -> ReviewDesk:
    view = ReviewDesk(person=Visitor(api=desk))
    await settled(view)
    return view


async def opened(desk: Desk, *, free: bool = True) -> ReviewDesk:
    view = await shown(desk)
    view.go("case/7")
    await settled(view)
    if free:
        assert view.case is not None
        view.do("Saving your answer", view.case._no_conflict)
        await settled(view)
    return view


def everything(widget: Any) -> str:
    own = str(widget.value) if type(widget).__name__ == "HTML" else ""
    return own + "".join(everything(child) for child in getattr(widget, "children", ()))


async def test_the_desk_opens_with_applications_under_review(desk: Desk) -> None:
    view = await shown(desk)

    assert desk.filters[0].state is ApplicationState.SUBMITTED
    assert 'href="#/case/7"' in everything(view)
    assert "Playground, Energy" in everything(view)


async def test_before_the_declaration_nothing_of_it_is_shown(desk: Desk) -> None:
    view = await opened(desk, free=False)

    assert view.state.case is None
    assert view.case is not None
    assert view.case.declaring.layout.display == ""
    assert view.case.reading.layout.display == "none"


async def test_with_a_conflict_it_stays_closed(desk: Desk) -> None:
    view = await opened(desk, free=False)
    assert view.case is not None
    view.do("Saving your answer", view.case._conflict)
    await settled(view)

    assert view.state.case is None
    assert "Other reviewers handle this application" in everything(view)


async def test_a_review_needs_a_score_for_each_criterion(desk: Desk) -> None:
    view = await opened(desk)
    assert view.case is not None
    view.do("Saving", view.case._save)
    await settled(view)
    assert list(view.state.problems) == [f"scores.{PROGRAMME.criteria[0].id}"]

    for field in view.case.scores.values():
        field.value = 4
    view.case.approve.value = True
    view.do("Saving", view.case._save)
    await settled(view)

    assert view.state.trouble is None
    assert desk.reviewed[0].scores == {criterion.id: 4 for criterion in PROGRAMME.criteria}
    assert desk.reviewed[0].gpu_hours == 100


async def test_a_late_reviewer_gets_an_error_and_sees_the_decision(desk: Desk) -> None:
    view = await opened(desk)
    desk.others_decide()
    assert view.case is not None
    view.case.verdict.value, view.case.reason.value = True, "Fine."
    await decided(view)

    assert view.state.trouble is not None
    assert "already" in view.state.trouble.message
    assert view.state.entry is not None
    assert view.state.entry.state is ApplicationState.APPROVED
    assert view.case.deciding.layout.display == "none"


async def test_a_decision_needs_a_reason(desk: Desk) -> None:
    view = await opened(desk)
    assert view.case is not None
    view.case.verdict.value = True
    view.do("Checking", view.case._ask_about_the_decision)
    await settled(view)

    assert list(view.state.problems) == ["grant.reason"]
    assert view.case.confirming.layout.display == "none"
    assert desk.decided is None


async def decided(view: ReviewDesk) -> None:
    """Both presses of a decision."""
    assert view.case is not None
    view.do("Checking", view.case._ask_about_the_decision)
    await settled(view)
    view.case.confirming.confirm.click()
    await settled(view)


async def test_a_decision_is_confirmed_with_its_consequences(desk: Desk) -> None:
    desk.entry = entry(title="Green steel", organisation="Steel GmbH", applicant="Maria")
    view = await opened(desk)
    assert view.case is not None
    view.state.entry = view.state.entry.model_copy(update={"title": "Green steel", "applicant": "Maria"})  # type: ignore[union-attr]
    view.case.verdict.value, view.case.reason.value, view.case.grant_gpu.value = True, "Fine.", 12
    view.do("Checking", view.case._ask_about_the_decision)
    await settled(view)

    assert desk.decided is None
    assert view.case.confirming.layout.display == ""
    words = view.case.confirming.text.value
    assert "A-00007 “Green steel” of Maria" in words
    assert "12 GPU hours and 10 core hours" in words
    assert "cannot be changed" in words
    view.case.grant_gpu.value = 99  # what was confirmed counts
    view.case.confirming.confirm.click()
    await settled(view)

    assert desk.decided is not None
    assert desk.decisions[0].gpu_hours == 12


async def test_a_rejection_says_what_it_means() -> None:
    form = DecisionForm(version=1, approve=False, reason="x")

    assert "gets no project" in consequences(entry(), form)


async def test_going_back_decides_nothing_and_another_application_asks_anew(desk: Desk) -> None:
    view = await opened(desk)
    assert view.case is not None
    view.case.verdict.value, view.case.reason.value = True, "Fine."
    view.do("Checking", view.case._ask_about_the_decision)
    await settled(view)
    view.case.remarks.value = view.case.message.value = "Of this application"
    view.go("case/7")
    await settled(view)
    view.case.confirming.confirm.click()
    await settled(view)

    assert desk.decided is None
    assert view.case.confirming.layout.display == "none"
    assert (view.case.remarks.value, view.case.message.value) == ("", "")


async def test_a_conflict_is_confirmed_because_it_stays(desk: Desk) -> None:
    view = await opened(desk, free=False)
    assert view.case is not None
    view.case._ask_about_the_conflict()
    assert desk.entry.declared is None
    view.case.confirming_conflict.confirm.click()
    await settled(view)

    assert desk.entry.declared is True


async def test_an_extension_is_confirmed_with_its_consequences(desk: Desk) -> None:
    view = await shown(desk)
    assert view.desk is not None
    view.desk.which.value, view.desk.answer.value = 1, "Go on."
    view.do("Checking", lambda _: view.desk._ask_before_deciding(grant=True))  # type: ignore[union-attr]
    await settled(view)
    assert desk.extensions_decided == []
    assert "steel-1 gets 1 months" in view.desk.confirming.text.value
    view.desk.confirming.confirm.click()
    await settled(view)

    assert desk.extensions_decided == [(1, True, "Go on.")]


async def test_who_applies_and_for_what_is_named_before_the_declaration(desk: Desk) -> None:
    markup = everything(await shown(desk)) + everything((await opened(desk, free=False)).case)

    assert markup.count("Maria &lt;b&gt;Founder&lt;/b&gt;") == 2
    assert markup.count(escape(HOSTILE)) >= 4  # title and organisation, in the queue and on the page


async def test_what_changed_since_the_earlier_version_is_shown(desk: Desk) -> None:
    earlier = Form(title="Before", use_case=HOSTILE, resources={"gpu_hours": 100, "cpu_hours": 10})
    desk.previous = version(earlier, ORGANISATION)
    view = await opened(desk)
    assert view.case is not None

    words = view.case.changes_since.value
    assert "Changes since version 1" in words
    assert "Before" in words
    assert "GPU hours" not in words  # it is the same in both


async def test_the_result_of_an_action_stands_beside_its_button(desk: Desk) -> None:
    view = await opened(desk)
    assert view.case is not None
    for field in view.case.scores.values():
        field.value = 4
    view.case.approve.value = True
    [row] = [row for row in visible_rows(view.case.reviewing) if row.children[0].description == "Save my review"]
    row.children[0].click()
    await settled(view)

    assert "Review saved." in row.outcome.value
    assert view.activity.value == ""
    assert everything(view).count("Review saved.") == 1


async def test_applicants_input_is_escaped(desk: Desk) -> None:
    markup = everything(await opened(desk)) + everything(await shown(Desk()))

    assert "<script" not in markup
    assert "&lt;script&gt;" in markup


async def test_those_who_are_no_reviewers_get_a_sentence() -> None:
    class Refusing(DeskReviews):
        def queue(self, queue_filter: QueueFilter | None = None) -> Queue:
            raise NotAllowed("Only reviewers may do this.")

    desk = Desk()
    desk.reviews = Refusing(desk)
    view = await shown(desk)

    assert view.state.phase is Phase.ERROR
    assert "Only reviewers may do this." in view.text.value


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"overdue": True}, '<span class="state bad">overdue since 26 November 2026</span>'),
        ({"working_days_left": 0}, '<span class="state warn">today</span>'),
        ({"working_days_left": 2}, '<span class="state ok">in 2 working days</span>'),
        ({"state": ApplicationState.APPROVED, "overdue": True}, "26 November 2026"),
    ],
)
def test_a_deadline_has_a_state_and_a_text(more: dict[str, Any], text: str) -> None:
    assert due(entry(**more)).startswith(text)
