"""From a draft to a decision, through the client."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.applications import service
from hub.applications.models import ApplicationState, Form
from hub.applications.tables import ApplicationRow
from hub.calls import programme
from hub.calls import service as calls
from hub.calls.calendar import add_working_days
from hub.calls.models import CallChange
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.organisations.models import ProfileForm
from tests.hub.fakes import form, settle, submitted
from tests.hub.reviews.test_routes import LARGE


@pytest.fixture
def founder(person):
    founder = person("founder")
    settle(founder)
    return founder


def test_a_draft_is_kept_step_by_step_and_found_on_another_device(person, founder):
    draft = founder.applications.start(Form(step="sector", title="Steel"))
    assert [gap.field for gap in draft.gaps][:1] == ["sector"]
    founder.applications.save(draft.summary.id, draft.revision, form(step="review"))
    other_device = person("founder")
    reopened_draft = other_device.applications.get(other_device.applications.mine()[0].id)
    assert (reopened_draft.form.step, reopened_draft.form.title, reopened_draft.gaps) == (
        "review",
        "Green steel from hydrogen",
        (),
    )
    assert reopened_draft.next == "Check the summary and submit it."


def test_two_devices_lose_nothing(founder):
    draft = founder.applications.start(Form(title="Steel"))
    number = draft.summary.id
    founder.applications.save(number, draft.revision, form(title="From the phone"))
    with pytest.raises(Conflict) as refused:
        founder.applications.save(number, draft.revision, form(title="From the desk"))
    assert refused.value.field == "revision"
    assert founder.applications.get(number).form.title == "From the phone"
    with pytest.raises(Conflict):
        founder.applications.submit(number, draft.revision)


def test_submitting_names_the_first_thing_that_is_missing_and_keeps_the_draft(founder):
    draft = founder.applications.start(form(sector=None, goal=None))
    with pytest.raises(InvalidInput) as refused:
        founder.applications.submit(draft.summary.id, draft.revision)
    assert (refused.value.field, refused.value.hint) == ("sector", "1 more to do.")
    assert founder.applications.get(draft.summary.id).form == draft.form


def test_a_version_never_changes(founder, session):
    application = submitted(founder)
    number = application.summary.id
    assert (application.summary.state, application.versions) == (ApplicationState.SUBMITTED, 1)
    version = founder.applications.version(number, 1)
    assert version.form == application.form
    assert version.sme.category == "small"
    assert version.self_check.outcome == "minimal"
    founder.organisations.write_profile(ProfileForm(full_name="Somebody Else"))
    assert founder.applications.version(number, 1) == version
    with pytest.raises(NotFound):
        founder.applications.version(number, 2)
    with pytest.raises(Conflict):
        founder.applications.save(number, application.revision, form(title="Later"))
    with pytest.raises(Conflict):
        founder.applications.submit(number, application.revision)


def test_the_call_is_paused_while_a_draft_is_open(person, founder):
    draft = founder.applications.start(form())
    admin = person("admin", groups=["admins"])
    admin.calls.change("playground-2026", CallChange(state="paused", note="Back in March."))
    assert founder.applications.get(draft.summary.id).gaps[0].field == "call"
    with pytest.raises(InvalidInput, match=r"paused. Back in March. Your draft is kept") as refused:
        founder.applications.submit(draft.summary.id, draft.revision)
    assert refused.value.field == "call"
    saved = founder.applications.save(draft.summary.id, draft.revision, form(title="Still here"))
    admin.calls.change("playground-2026", CallChange(state="open"))
    assert founder.applications.submit(saved.summary.id, saved.revision).summary.state == "submitted"


def test_a_withdrawn_application_can_neither_be_withdrawn_again_nor_saved(founder):
    application = submitted(founder)
    assert founder.applications.withdraw(application.summary.id).summary.state == "withdrawn"
    with pytest.raises(Conflict):
        founder.applications.withdraw(application.summary.id)
    with pytest.raises(Conflict):
        founder.applications.save(application.summary.id, application.revision, form())


def test_colleagues_read_what_was_submitted_and_strangers_nothing(person, founder):
    code = founder.organisations.profile().organisation.join_code
    draft = founder.applications.start(form())
    colleague, stranger = person("colleague"), person("trainer")
    colleague.organisations.join(code)
    with pytest.raises(NotFound):
        colleague.applications.get(draft.summary.id)
    application = founder.applications.submit(draft.summary.id, draft.revision)
    number = application.summary.id
    assert [(summary.id, summary.mine) for summary in colleague.applications.mine()] == [(number, False)]
    assert colleague.applications.version(number, 1).number == 1
    for deed in (
        lambda: colleague.applications.withdraw(number),
        lambda: colleague.applications.save(number, application.revision, form()),
        lambda: colleague.applications.message_reviewers(number, "hello"),
        lambda: stranger.applications.get(number),
        lambda: stranger.applications.version(number, 1),
        lambda: stranger.applications.document(number, 1),
        lambda: stranger.applications.withdraw(number),
    ):
        with pytest.raises(NotFound):
            deed()
    assert stranger.applications.mine() == ()


def test_messages_go_both_ways_and_reviewers_stay_unnamed(person, founder):
    number = submitted(founder).summary.id
    reviewer = person("reviewer", groups=["reviewers"])
    reviewer.reviews.declare_conflict(number, conflict=False)
    reviewer.reviews.message_applicant(number, "Which data?")
    application = founder.applications.message_reviewers(number, "Ours.")
    assert [(message.author, message.text) for message in application.messages] == [
        ("reviewer", "Which data?"),
        ("founder", "Ours."),
    ]
    assert [message.author for message in reviewer.reviews.case(number).messages] == ["reviewer", "founder"]


def test_a_message_that_says_nothing_is_refused(api, hub, founder):
    number = submitted(founder).summary.id
    answer = api.post(
        f"/applications/{number}/messages",
        json={"text": ""},
        headers={"Authorization": f"token {hub.sign_in('founder')}"},
    )
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "text")


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**70, "1%20OR%201", "x"])
def test_an_invalid_application_number_is_not_found(api, hub, number):
    headers = {"Authorization": f"token {hub.sign_in('founder')}"}
    assert api.get(f"/applications/{number}", headers=headers).status_code in (404, 422)


def test_services_apply_for_nothing(person):
    with pytest.raises(NotAllowed):
        person("dashboards", kind="service").applications.start(Form())


def test_drafts_are_bounded(founder, monkeypatch):
    monkeypatch.setattr("hub.applications.service.DRAFTS", 2)
    for _ in range(2):
        founder.applications.start(Form())
    with pytest.raises(Conflict, match="2 drafts"):
        founder.applications.start(Form())


def ask_for_changes(person, number, version=1):
    reviewer = person("reviewer", groups=["reviewers"])
    if version == 1:
        reviewer.reviews.declare_conflict(number, conflict=False)
    reviewer.reviews.ask_back(number, version, "Which data?")


@pytest.mark.parametrize(
    "change",
    [
        {"state": "closed"},
        {"state": "paused"},
        {"state": "open", "full_systems": ("atrium-gpu",)},
        {"state": "open", "full_systems": ("atrium-cpu", "atrium-gpu")},
    ],
)
def test_what_arrived_in_time_may_be_amended_whatever_became_of_the_call(person, founder, change):
    number = submitted(founder).summary.id
    ask_for_changes(person, number)
    person("admin", groups=["admins"]).calls.change("playground-2026", CallChange.model_validate(change))
    for version in (2, 3):
        draft = founder.applications.get(number)
        assert draft.gaps == ()
        saved = founder.applications.save(number, draft.revision, form(use_case=f"Version {version}: " + "x" * 60))
        assert founder.applications.submit(number, saved.revision).versions == version
        ask_for_changes(person, number, version)
    other = founder.applications.start(form())
    assert founder.applications.get(other.summary.id).gaps, "what comes now is too late"


def test_an_application_to_a_mode_that_was_closed_to_its_kind_may_still_be_amended(person, settings, monkeypatch):
    """The reviewers decide about it; a new one gets to know where to apply."""
    shipped = programme.current(settings)
    modes = tuple(
        mode.model_copy(update={"kinds": (*mode.kinds, "public")}) if mode.id == "playground" else mode
        for mode in shipped.modes
    )
    city = person("founder")
    settle(city, kind="public", figures=None)
    with monkeypatch.context() as earlier:
        earlier.setattr(programme, "current", lambda settings: shipped.model_copy(update={"modes": modes}))
        number = submitted(city).summary.id
    ask_for_changes(person, number)
    draft = city.applications.get(number)
    assert draft.gaps == ()
    assert city.applications.submit(number, draft.revision).versions == 2
    other = city.applications.start(form())
    [gap] = city.applications.get(other.summary.id).gaps
    assert gap.message == "Playground is for companies. Public bodies can apply for AI for Science."


def test_a_submitted_application_keeps_its_self_check_when_questions_are_added(person, founder, settings, monkeypatch):
    shipped = programme.current(settings)
    fewer = tuple(question for question in shipped.ai_act.questions if question.id != "intimate-imagery")
    earlier_act = shipped.ai_act.model_copy(update={"questions": fewer})
    answers = dict.fromkeys((question.id for question in fewer), False)
    with monkeypatch.context() as earlier:
        earlier.setattr(programme, "current", lambda settings: shipped.model_copy(update={"ai_act": earlier_act}))
        number = submitted(founder, ai_act=answers).summary.id
    stored = founder.applications.get(number)
    assert (stored.self_check.outcome, stored.self_check.open_questions) == ("minimal", ())
    ask_for_changes(person, number)
    amended = founder.applications.get(number)
    assert amended.self_check.open_questions == ("intimate-imagery",)
    assert amended.form.ai_act == answers


@pytest.mark.parametrize(
    ("moment", "summary"),
    [
        (datetime(2026, 12, 1, 22, 59, tzinfo=UTC), "a practice that is prohibited from 2 December 2026. Such work"),
        (datetime(2026, 12, 1, 23, 0, tzinfo=UTC), "describes a prohibited practice. Such work"),
    ],
)
def test_a_practice_prohibited_from_2026_12_02_gets_no_access_on_the_day_before_either(
    founder, monkeypatch, moment, summary
):
    monkeypatch.setattr(service, "now", lambda: moment)
    answers = form().ai_act | {"intimate-imagery": True}
    draft = founder.applications.start(form(ai_act=answers))
    with pytest.raises(InvalidInput, match=summary) as refused:
        founder.applications.submit(draft.summary.id, draft.revision)
    assert refused.value.field == "ai_act"


def test_a_version_stores_the_price_of_its_day(person, founder):
    number = submitted(founder).summary.id
    assert founder.applications.version(number, 1).price.price == "free"
    large = person("colleague")
    settle(large, figures={"staff": 900, "turnover": 10**9, "balance": 10**9})
    number = submitted(large).summary.id
    assert large.applications.version(number, 1).price.price == "pay per use"


def test_an_amended_application_stays_in_its_call(person, founder):
    number = submitted(founder).summary.id
    ask_for_changes(person, number)
    draft = founder.applications.get(number)
    saved = founder.applications.save(number, draft.revision, form(call="fast-lane-2026"))
    with pytest.raises(InvalidInput, match="wait for changes to playground-2026"):
        founder.applications.submit(number, saved.revision)


def test_an_amended_application_stays_at_its_cut_off(session, settings, person, founder, monkeypatch):
    number = submitted(founder, **LARGE).summary.id
    ask_for_changes(person, number)
    row = session.get(ApplicationRow, number)
    cut_off = calls.status(session, programme.current(settings), row.call, row.submitted).next_cut_off
    moment = cut_off + timedelta(days=9)
    monkeypatch.setattr(service, "now", lambda: moment)
    draft = founder.applications.get(number)
    amended = founder.applications.submit(number, draft.revision)
    days = programme.current(settings).mode("large-scale").decision_working_days
    holidays = programme.current(settings).holidays
    assert amended.summary.due == add_working_days(moment.date(), days, holidays), "not after the next cut-off"


def test_a_call_that_the_programme_no_longer_has_can_be_exchanged(person, founder, session):
    number = submitted(founder).summary.id
    ask_for_changes(person, number)
    session.get(ApplicationRow, number).call = "gone-2025"
    session.commit()
    draft = founder.applications.get(number)
    assert founder.applications.submit(number, draft.revision).summary.call == "playground-2026"
