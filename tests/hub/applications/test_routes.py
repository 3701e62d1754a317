"""From a draft to a decision, through the client."""

import pytest

from hub.applications.models import ApplicationState, Form
from hub.calls.models import CallChange
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.organisations.models import ProfileForm
from tests.hub.world import form, settle, submitted


@pytest.fixture
def founder(person):
    founder = person("founder")
    settle(founder)
    return founder


def test_a_draft_is_kept_step_by_step_and_found_on_another_device(person, founder):
    draft = founder.start_application(Form(step="sector", title="Steel"))
    assert [gap.field for gap in draft.gaps][:1] == ["sector"]
    founder.save_application(draft.summary.id, draft.revision, form(step="review"))
    other_device = person("founder")
    found = other_device.application(other_device.applications()[0].id)
    assert (found.form.step, found.form.title, found.gaps) == ("review", "Green steel from hydrogen", ())
    assert found.next == "Look it over and submit it."


def test_two_devices_lose_nothing(founder):
    draft = founder.start_application(Form(title="Steel"))
    number = draft.summary.id
    founder.save_application(number, draft.revision, form(title="From the phone"))
    with pytest.raises(Conflict) as refused:
        founder.save_application(number, draft.revision, form(title="From the desk"))
    assert refused.value.field == "revision"
    assert founder.application(number).form.title == "From the phone"
    with pytest.raises(Conflict):
        founder.submit_application(number, draft.revision)


def test_submitting_names_the_first_thing_that_is_missing_and_keeps_the_draft(founder):
    draft = founder.start_application(form(sector=None, goal=None))
    with pytest.raises(InvalidInput) as refused:
        founder.submit_application(draft.summary.id, draft.revision)
    assert (refused.value.field, refused.value.hint) == ("sector", "1 more to do.")
    assert founder.application(draft.summary.id).form == draft.form


def test_a_version_never_changes(founder, session):
    application = submitted(founder)
    number = application.summary.id
    assert (application.summary.state, application.versions) == (ApplicationState.SUBMITTED, 1)
    version = founder.application_version(number, 1)
    assert version.form == application.form
    assert version.sme.category == "small"
    assert version.self_check.outcome == "minimal"
    founder.write_profile(ProfileForm(full_name="Somebody Else"))
    assert founder.application_version(number, 1) == version
    with pytest.raises(NotFound):
        founder.application_version(number, 2)
    with pytest.raises(Conflict):
        founder.save_application(number, application.revision, form(title="Later"))
    with pytest.raises(Conflict):
        founder.submit_application(number, application.revision)


def test_the_call_is_paused_while_a_draft_is_open(person, founder):
    draft = founder.start_application(form())
    admin = person("admin", groups=["admins"])
    admin.change_call("playground-2026", CallChange(state="paused", note="Back in March."))
    assert founder.application(draft.summary.id).gaps[0].field == "call"
    with pytest.raises(InvalidInput, match=r"paused. Back in March. Your draft is kept") as refused:
        founder.submit_application(draft.summary.id, draft.revision)
    assert refused.value.field == "call"
    saved = founder.save_application(draft.summary.id, draft.revision, form(title="Still here"))
    admin.change_call("playground-2026", CallChange(state="open"))
    assert founder.submit_application(saved.summary.id, saved.revision).summary.state == "submitted"


def test_withdrawing(founder):
    application = submitted(founder)
    assert founder.withdraw_application(application.summary.id).summary.state == "withdrawn"
    with pytest.raises(Conflict):
        founder.withdraw_application(application.summary.id)
    with pytest.raises(Conflict):
        founder.save_application(application.summary.id, application.revision, form())


def test_colleagues_read_what_was_submitted_and_strangers_nothing(person, founder):
    code = founder.profile().organisation.join_code
    draft = founder.start_application(form())
    colleague, stranger = person("colleague"), person("trainer")
    colleague.join_organisation(code)
    with pytest.raises(NotFound):
        colleague.application(draft.summary.id)
    application = founder.submit_application(draft.summary.id, draft.revision)
    number = application.summary.id
    assert [(one.id, one.mine) for one in colleague.applications()] == [(number, False)]
    assert colleague.application_version(number, 1).number == 1
    for deed in (
        lambda: colleague.withdraw_application(number),
        lambda: colleague.save_application(number, application.revision, form()),
        lambda: colleague.message_reviewers(number, "hello"),
        lambda: stranger.application(number),
        lambda: stranger.application_version(number, 1),
        lambda: stranger.application_document(number, 1),
        lambda: stranger.withdraw_application(number),
    ):
        with pytest.raises(NotFound):
            deed()
    assert stranger.applications() == ()


def test_messages_go_both_ways_and_reviewers_stay_unnamed(person, founder):
    number = submitted(founder).summary.id
    reviewer = person("reviewer", groups=["reviewers"])
    reviewer.declare_conflict(number, conflict=False)
    reviewer.message_applicant(number, "Which data?")
    application = founder.message_reviewers(number, "Ours.")
    assert [(one.author, one.text) for one in application.messages] == [
        ("reviewer", "Which data?"),
        ("founder", "Ours."),
    ]
    assert [one.author for one in reviewer.case(number).messages] == ["reviewer", "founder"]


def test_a_message_that_says_nothing_is_refused(api, hub, founder):
    number = submitted(founder).summary.id
    answer = api.post(
        f"/applications/{number}/messages",
        json={"text": ""},
        headers={"Authorization": f"token {hub.sign_in('founder')}"},
    )
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "text")


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**70, "1%20OR%201", "x"])
def test_numbers_that_are_none(api, hub, number):
    headers = {"Authorization": f"token {hub.sign_in('founder')}"}
    assert api.get(f"/applications/{number}", headers=headers).status_code in (404, 422)


def test_services_apply_for_nothing(person):
    with pytest.raises(NotAllowed):
        person("dashboards", kind="service").start_application(Form())


def test_drafts_are_bounded(founder, monkeypatch):
    monkeypatch.setattr("hub.applications.service.DRAFTS", 2)
    for _ in range(2):
        founder.start_application(Form())
    with pytest.raises(Conflict, match="2 drafts"):
        founder.start_application(Form())
