"""The onboarding page without a browser: saving, messages, and escaping."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from hub.applications.models import ApplicationState, Decision, Form, MessageKind
from hub.calls.models import Goal, OrganisationKind
from hub.client import Api
from hub.errors import HubUnavailable
from hub.organisations.models import Figures, OrganisationForm
from hub.projects.models import MemberRole, ProjectState, StepView
from hub.projects.models import Step as ProjectStep
from tests.widgets.factory import COMPANY, MOMENT, PROGRAMME, TOKEN, Factory, project, version
from widgets.base import Phase, Visitor
from widgets.onboarding import Onboarding, summary
from widgets.onboarding.people import People
from widgets.onboarding.state import OnboardingState, Step, step_of
from widgets.onboarding.view import FORMS

HOSTILE = '"><script>alert(1)</script>\u202e'
GOOD: dict[str, Any] = {
    "call": "playground-2026",
    "title": "Green steel",
    "sector": "energy",
    "goal": Goal.TRY,
    "use_case": "We predict the quality of steel from sensor data, for people at the furnace.",
    "resources": {"systems": ("atrium-gpu",), "gpu_hours": 100, "cpu_hours": 10, "months": 3},
    "data": {"personal_data": False},
    "ai_act": {question.id: False for question in PROGRAMME.ai_act.questions},
    "declaration": {"civilian_use": True, "truthful": True},
}


@pytest.fixture
def factory() -> Factory:
    return Factory()


@pytest.fixture
def api(factory: Factory) -> Api:
    return factory


async def started(api: Api) -> OnboardingState:
    state = OnboardingState()
    await state.load(api)
    return state


async def settled(view: Onboarding) -> None:
    """Until the view has nothing to wait for any more."""
    for _ in range(200):
        await asyncio.sleep(0.01)
        if view.state.phase is not Phase.LOADING and not view.state.busy:
            return
    raise AssertionError("the view did not settle")


async def shown(factory: Factory) -> Onboarding:
    view = Onboarding(person=Visitor(api=factory))
    await settled(view)
    return view


def form_of(view: Onboarding) -> Any:
    return view._forms[view.state.step]


def everything(widget: Any) -> str:
    """All markup below a widget."""
    own = str(widget.value) if type(widget).__name__ == "HTML" else ""
    return own + "".join(everything(child) for child in getattr(widget, "children", ()))


# -- the state --------------------------------------------------------------------------------------------------------


async def test_a_new_person_starts_at_the_first_step_without_a_saved_draft(api: Api, factory: Factory) -> None:
    state = await started(api)

    assert (state.phase, state.step, state.editable) == (Phase.READY, Step.PEOPLE, True)
    assert factory.saved == {}


async def test_each_step_is_saved_and_another_device_continues_there(api: Api, factory: Factory) -> None:
    state = await started(api)

    await state.keep(api, {"title": "Green steel"}, go_to=Step.MODE)

    assert factory.saved[1].form.title == "Green steel"
    elsewhere = await started(api)
    assert (elsewhere.step, elsewhere.form.title) == (Step.MODE, "Green steel")


async def test_a_second_device_shows_a_notice_and_can_keep_its_changes(api: Api, factory: Factory) -> None:
    here = await started(api)
    await here.keep(api, {"title": "First"}, go_to=Step.PURPOSE)
    there = await started(api)
    await here.keep(api, {"title": "Here"})

    assert not await there.act("Saving", there.keep(api, {"use_case": "There"}))

    assert there.theirs is not None
    assert factory.saved[1].form.use_case == ""
    await there.keep_mine(api)
    assert (factory.saved[1].form.title, factory.saved[1].form.use_case) == ("Here", "There")
    assert there.theirs is None


async def test_changes_kept_again_after_an_error_leave_the_other_device_s_in_place(api: Api, factory: Factory) -> None:
    here = await started(api)
    await here.keep(api, {"title": "First"}, go_to=Step.PURPOSE)
    there = await started(api)
    await here.keep(api, {"title": "Here"})
    await there.act("Saving", there.keep(api, {"use_case": "There"}))
    save = factory.applications.save

    def down(*_: object) -> Any:
        raise HubUnavailable("Atrium cannot be reached at the moment.")

    factory.applications.save = down  # type: ignore[method-assign]
    assert not await there.act("Saving", there.keep_mine(api))
    factory.applications.save = save  # type: ignore[method-assign]
    assert await there.act("Saving", there.keep_mine(api))

    assert (factory.saved[1].form.title, factory.saved[1].form.use_case) == ("Here", "There")


async def test_a_step_is_shown_when_the_next_action_can_start(api: Api, factory: Factory) -> None:
    state = await started(api)
    shown_before_the_list = []
    mine = factory.applications.mine

    def listed() -> Any:
        shown_before_the_list.append(state.step)
        return mine()

    factory.applications.mine = listed  # type: ignore[method-assign]
    await state.act("Saving", state.keep(api, {"title": "First"}, go_to=Step.MODE))

    assert shown_before_the_list == [Step.PEOPLE]
    assert state.step is Step.MODE


async def test_a_second_device_can_take_the_saved_version(api: Api, factory: Factory) -> None:
    here = await started(api)
    await here.keep(api, {"title": "First"})
    there = await started(api)
    await here.keep(api, {"title": "Here"})
    await there.act("Saving", there.keep(api, {"title": "There"}))
    before = there.filled

    there.take_theirs()

    assert there.form.title == "Here"
    assert there.trouble is None
    assert there.filled == before + 1


async def test_missing_fields_are_marked_only_after_the_last_step_was_opened(api: Api) -> None:
    state = await started(api)
    await state.keep(api, {})
    assert state.complaints == {}

    await state.keep(api, {}, go_to=Step.SUBMIT)

    assert "title" in state.complaints
    assert not state.is_done(Step.PURPOSE)


async def test_submitting_shows_the_status_instead_of_the_path(api: Api, factory: Factory) -> None:
    factory.organisations.create(COMPANY)
    factory.profile_form = factory.profile_form.model_copy(update={"full_name": "Maria"})
    state = await started(api)
    await state.keep(api, GOOD, go_to=Step.SUBMIT)
    assert state.gaps == {}

    assert await state.act("Submitting", state.submit(api))

    assert not state.editable
    assert state.application is not None
    assert state.application.summary.state is ApplicationState.SUBMITTED


async def test_an_incomplete_application_names_its_field(api: Api) -> None:
    state = await started(api)
    await state.keep(api, {})

    assert not await state.act("Submitting", state.submit(api))

    assert list(state.problems) == ["profile.full_name"]


async def test_changes_that_reviewers_ask_for_arrive_without_a_reload(api: Api, factory: Factory) -> None:
    factory.organisations.create(COMPANY)
    factory.profile_form = factory.profile_form.model_copy(update={"full_name": "Maria"})
    state = await started(api)
    await state.keep(api, GOOD)
    await state.submit(api)

    factory.asks_back(1, "Fewer hours?")
    await state.look(api)

    assert state.editable


async def test_an_unreachable_api_is_reported_and_the_input_stays(api: Api, factory: Factory) -> None:
    state = await started(api)

    def down(form: Form, *, after: int | None = None) -> Any:
        raise HubUnavailable("Atrium cannot be reached at the moment.")

    factory.applications.start = down  # type: ignore[method-assign]
    assert not await state.act("Saving", state.keep(api, {"title": "Kept?"}))

    assert state.trouble is not None
    assert state.phase is Phase.READY


async def test_two_clicks_are_one(api: Api, factory: Factory) -> None:
    state = await started(api)

    first = asyncio.ensure_future(state.act("Saving", state.keep(api, {"title": "Once"})))
    await asyncio.sleep(0)
    assert not await state.act("Saving", state.keep(api, {"title": "Twice"}))
    await first

    assert [application.form.title for application in factory.saved.values()] == ["Once"]


async def test_a_link_waits_for_the_action_that_runs_and_the_last_one_wins(factory: Factory) -> None:
    view = await shown(factory)

    view._next(1)
    await asyncio.sleep(0)
    assert view.state.busy
    view.address.value = "step/resources"
    view.address.value = "step/mode"
    await settled(view)
    await settled(view)

    assert view.state.step is Step.MODE


async def test_continue_pressed_while_another_action_runs_saves_and_goes_on(factory: Factory) -> None:
    view = await shown(factory)

    view.do("Checking the size", lambda _api: asyncio.sleep(0))
    await asyncio.sleep(0)
    assert view.state.busy
    view._next(1)
    await settled(view)
    await settled(view)

    assert view.state.step is Step.PURPOSE
    assert factory.saved


def test_every_gap_has_a_step_where_it_is_filled() -> None:
    fields = ("profile.full_name", "organisation.figures", "title", "call", "resources.months", "ai_act.gpai", "data.x")

    assert [step_of(field) for field in fields] == [
        Step.PEOPLE,
        Step.PEOPLE,
        Step.PURPOSE,
        Step.MODE,
        Step.RESOURCES,
        Step.DECLARATIONS,
        Step.DECLARATIONS,
    ]


# -- the view ---------------------------------------------------------------------------------------------------------


async def test_the_page_shows_the_current_step(factory: Factory) -> None:
    view = await shown(factory)

    assert "Step 1 of 6." in view.text.value
    assert view.text.value.count('aria-current="step"') == 1


async def test_the_way_through_all_steps_by_their_fields(factory: Factory) -> None:
    view = await shown(factory)
    people = form_of(view)
    people.full_name.value, people.name.value = "Maria", "Green Steel"
    people.kind.value, people.country.value = OrganisationKind.COMPANY, "DE"
    people.staff.value, people.turnover.value, people.balance.value = 12.0, 900_000, 400_000
    await on(view)
    purpose = form_of(view)
    purpose.title.value, purpose.sector.value, purpose.goal.value = "Steel", "energy", Goal.TRY
    purpose.use_case.value = GOOD["use_case"]
    await on(view)
    mode = form_of(view)
    mode.gpu_hours.value = 100
    await view.state.act("Advice", mode._advise(factory))
    assert mode.call.value == "playground-2026"
    await on(view)
    resources = form_of(view)
    await view.state.act("Checking the size", resources._calculate(factory))
    resources._take()
    resources.systems["atrium-gpu"].value = True
    assert resources.gpu_hours.value == round(view.state.calculation.gpu_hours)  # type: ignore[union-attr]
    await on(view)
    declarations = form_of(view)
    declarations.personal.value = False
    for question in declarations.questions.values():
        question.value = False
    declarations.civilian.value = declarations.truthful.value = True
    await on(view)

    assert view.state.step is Step.SUBMIT
    assert view.state.gaps == {}
    assert not form_of(view).submit.disabled
    assert factory.own is not None
    assert factory.own.sme is not None
    assert factory.own.sme.category == "small"


async def at_the_mode(factory: Factory, organisation: OrganisationForm) -> tuple[Onboarding, Any]:
    """The page on the third step, and the step's form."""
    factory.organisations.create(organisation)
    factory.applications.start(Form.model_validate({**GOOD, "step": Step.MODE.value}))
    view = await shown(factory)
    return view, form_of(view)


async def test_the_price_of_each_mode_is_shown_to_an_sme(factory: Factory) -> None:
    view, mode = await at_the_mode(factory, COMPANY)
    await view.state.act("Advice", mode._advise(factory))
    mode.draw()

    assert "Free of charge for you: the SME test says that yours is an SME." in mode.advice.value
    assert "Free of charge for you: the SME test says that yours is an SME." in mode.note.value
    assert (
        "Amount: 10\N{NARROW NO-BREAK SPACE}000 to 50\N{NARROW NO-BREAK SPACE}000 GPU hours. Read in one source only."
        in mode.advice.value
    )


async def test_a_large_company_learns_that_it_pays(factory: Factory) -> None:
    figures = Figures(staff=900, turnover=10**9, balance=10**9)
    _, mode = await at_the_mode(factory, COMPANY.model_copy(update={"figures": figures}))

    assert "You pay per use: the SME test says that yours is no SME." in mode.note.value


async def test_a_company_confirms_a_funded_project(factory: Factory) -> None:
    view, mode = await at_the_mode(factory, COMPANY)
    condition = mode.conditions["funded-project"]
    assert condition.layout.display == ""
    mode.call.value = "ai-for-science-2026"
    assert "Price:" not in mode.note.value
    condition.value = True
    assert "Free of charge for you." in mode.note.value
    assert "Read in one source only." in mode.note.value
    assert "decided within 1 month" in mode.note.value
    await on(view)
    assert factory.saved[1].form.conditions == {"funded-project": True}


async def test_others_are_not_asked_for_a_funded_project(factory: Factory) -> None:
    public = OrganisationForm(name="City", kind=OrganisationKind.PUBLIC, country="DE")
    view, mode = await at_the_mode(factory, public)

    assert mode.conditions["funded-project"].layout.display == "none"
    await view.state.act("Advice", mode._advise(factory))
    mode.draw()
    assert "Playground is for companies. Public bodies can apply for AI for Science." in mode.advice.value


async def test_a_planned_cut_off_is_said_to_be_planned(factory: Factory) -> None:
    _, mode = await at_the_mode(factory, COMPANY)
    status = next(status for status in mode.state.calls if status.call.mode == "large-scale")
    assert "is not published yet" not in mode._about(status)
    assert "is not published yet" in mode._about(status.model_copy(update={"planned": True}))


async def test_countries_show_what_is_not_verified(factory: Factory) -> None:
    people = cast(People, form_of(await shown(factory)))
    labels = {code: label for label, code in people.country.control.options}
    assert (labels["UA"], labels["CH"]) == ("Ukraine (access not verified)", "Switzerland")
    people.country.value = "BA"
    assert "Read in one source only." in people.country_note.value
    people.country.value = "AT"
    assert people.country_note.value == ""


async def test_an_answer_to_a_question_that_the_programme_no_longer_has_is_kept(factory: Factory) -> None:
    answers = {**GOOD["ai_act"], "retired-question": True}
    factory.applications.start(Form.model_validate({**GOOD, "ai_act": answers, "step": Step.DECLARATIONS.value}))
    view = await shown(factory)
    await view.state.act("Saving", form_of(view)._answer(factory))
    assert factory.saved[1].form.ai_act == answers


async def test_a_version_from_before_a_question_was_added_says_so_to_reviewers() -> None:
    answers = {name: answer for name, answer in GOOD["ai_act"].items() if name != "intimate-imagery"}
    before = version(Form.model_validate({**GOOD, "ai_act": answers}), COMPANY)
    assert "does not answer questions that were added" in summary.application(PROGRAMME, before)
    now = version(Form.model_validate(GOOD), COMPANY)
    assert "does not answer questions that were added" not in summary.application(PROGRAMME, now)


async def on(view: Onboarding) -> None:
    view._next(1)
    await settled(view)
    assert view.state.trouble is None, (view.state.trouble, view.state.problems)


async def test_a_field_that_is_wrong_is_marked_and_nothing_is_sent(factory: Factory) -> None:
    view = await shown(factory)
    people = cast(People, form_of(view))
    people.orcid.value = "nonsense"

    view._next(1)
    await settled(view)

    assert view.state.step is Step.PEOPLE
    assert people.orcid.complaint == "Enter an ORCID iD such as 0000-0002-1825-0097."
    assert factory.saved == {}


async def test_partner_enterprises_can_be_added_and_removed(factory: Factory) -> None:
    view = await shown(factory)
    people = cast(People, form_of(view))
    people._add()
    people._add()
    people.relatives.children[1].name.value = "Second"

    people._remove(people.relatives.children[0])

    assert [row.name.value for row in people.relatives.children] == ["Second"]


@pytest.mark.parametrize("known", [True, False])
async def test_the_machine_is_described_as_slurm_has_it(
    factory: Factory, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if not known:
        monkeypatch.setattr(factory.calls, "machine", lambda: ())
    factory.applications.start(Form.model_validate({**GOOD, "step": Step.RESOURCES.value}))

    page = everything(form_of(await shown(factory)))

    assert ("4 a100 + 4 l40s" in page) is known
    assert ("not known just now" in page) is not known
    assert "8 × A100" not in page


@pytest.mark.parametrize("step", list(FORMS))
async def test_user_input_is_never_markup(factory: Factory, step: Step) -> None:
    factory.organisations.create(OrganisationForm(name=HOSTILE, kind=OrganisationKind.COMPANY, country="DE"))
    data = {"datasets": ({"title": HOSTILE},), "remarks": HOSTILE}
    changes = {**GOOD, "title": HOSTILE, "use_case": HOSTILE * 50, "data": data}
    factory.applications.start(Form.model_validate({**changes, "step": step.value}))

    view = await shown(factory)

    assert view.state.step is step
    assert "<script" not in everything(view)


async def test_messages_and_decisions_are_text(factory: Factory) -> None:
    factory.applications.start(Form.model_validate({**GOOD, "title": HOSTILE}))
    factory.says(1, "reviewer", MessageKind.MESSAGE, HOSTILE)
    factory.owned = (project(),)
    decided = Decision(
        approved=True, reason=HOSTILE, cpu_hours=5, gpu_hours=50, storage_gb=0, at=MOMENT, project="steel-1"
    )
    factory.turns(1, ApplicationState.APPROVED, versions=1, decision=decided)

    markup = everything(await shown(factory))

    assert "<script" not in markup
    assert "50 of 100 requested" in markup
    assert "Start your first notebook" in markup


async def test_a_project_in_the_making_says_how_far_it_is(factory: Factory) -> None:
    factory.applications.start(Form.model_validate(GOOD))
    steps = (
        StepView(step=ProjectStep.ACCOUNT, done=True, attempts=1, remark=""),
        StepView(step=ProjectStep.MEMBERS, done=False, attempts=2, remark="Slurm did not answer."),
    )
    factory.owned = (project(state=ProjectState.PROVISIONING, steps=steps),)
    decided = Decision(
        approved=True, reason="Good.", cpu_hours=5, gpu_hours=5, storage_gb=0, at=MOMENT, project="steel-1"
    )
    factory.turns(1, ApplicationState.APPROVED, versions=1, decision=decided)

    markup = everything(await shown(factory))

    assert "Slurm did not answer." in markup
    assert "Start your first notebook" not in markup


async def test_an_invitation_is_shown_before_it_is_accepted(factory: Factory) -> None:
    view = await shown(factory)
    view.address.value = f"invitation/{TOKEN}"
    await settled(view)

    assert view.address.value == ""
    assert "jan invites you to <strong>Green steel</strong>" in everything(view.invited)
    assert [project.slug for project in factory.owned] == []
    card: Any = view.invited.children[0]
    next(button for button in card.children[1].children if button.description == "Join the project").click()
    await settled(view)
    assert factory.owned[0].role is MemberRole.MEMBER
    assert "You have joined the project." in everything(view.invited)


async def test_a_used_invitation_is_refused_with_a_message(factory: Factory) -> None:
    view = await shown(factory)

    view.go("invitation/used")
    await settled(view)

    assert "This invitation is used, expired or invalid." in everything(view)
    assert view.invited.children == ()


@pytest.mark.parametrize("address", ["", "step/nowhere", "application/x", "../../etc", "step", "project/x"])
async def test_addresses_that_mean_nothing_do_nothing(factory: Factory, address: str) -> None:
    view = await shown(factory)

    view.go(address)
    await settled(view)

    assert view.state.step is Step.PEOPLE
    assert view.state.trouble is None


async def test_the_pdf_is_in_the_page(factory: Factory, api: Api) -> None:
    state = await started(api)
    await state.keep(api, GOOD)

    await state.make_document(api, None)

    assert state.document.startswith(b"%PDF-")
    assert state.document_name == "A-00001-draft"


async def test_a_page_that_missed_updates_reloads(factory: Factory) -> None:
    person = Visitor()
    view = Onboarding(person=person)
    view.address.value = "waiting"
    assert view.address.value == ""

    person.api = factory
    await settled(view)
    view.address.value = "waiting"

    assert view.address.value == "again"
