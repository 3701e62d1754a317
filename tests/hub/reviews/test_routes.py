"""The review desk: who sees what, and one decision."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from hub.applications.models import ApplicationState
from hub.applications.tables import ApplicationRow
from hub.calls import programme
from hub.calls.calendar import add_working_days
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.mail.tables import LetterRow
from hub.projects.tables import Project
from hub.reviews.models import DecisionForm, QueueFilter, ReviewForm
from tests.hub.fakes import FORM, form, settle, submitted

SCORES = {"excellence": 4, "impact": 3, "implementation": 5}
LARGE = {
    "call": "large-scale-2026",
    "goal": "train",
    "resources": {"systems": ["atrium-gpu"], "gpu_hours": 60_000, "cpu_hours": 60_000, "months": 6},
}


@pytest.fixture
def founder(person):
    founder = person("founder")
    settle(founder)
    return founder


@pytest.fixture
def reviewer(person):
    return person("reviewer", groups=["reviewers"])


@pytest.fixture
def second(person):
    return person("second", groups=["reviewers"])


def review(version=1, **changes):
    values = {"version": version, "scores": SCORES, "cpu_hours": 500, "gpu_hours": 100, "approve": True}
    return ReviewForm.model_validate(values | changes)


def approval(version=1, **changes):
    values = {"version": version, "approve": True, "reason": "Sound.", "cpu_hours": 500, "gpu_hours": 100}
    return DecisionForm.model_validate(values | changes)


def reviewed(reviewer, number, **changes):
    reviewer.reviews.declare_conflict(number, conflict=False)
    return reviewer.reviews.review(number, review(**changes))


def test_from_the_queue_to_an_approval_with_fewer_hours(founder, reviewer, session, settings):
    number = submitted(founder).summary.id
    [entry] = reviewer.reviews.queue().entries
    assert (entry.reference, entry.organisation, entry.declared) == ("A-00001", "Green Steel GmbH", None)
    assert entry.due == add_working_days(now().date(), 2, programme.current(settings).holidays)
    assert (entry.overdue, entry.working_days_left, entry.age_days) == (False, 2, 0)
    reviewer.reviews.declare_conflict(number, conflict=False)
    assert reviewer.reviews.case(number).version.form.title == "Green steel from hydrogen"

    reviewer.reviews.ask_back(number, 1, "Say more about the data.")
    returned = founder.applications.get(number)
    assert returned.summary.state == "changes requested"
    assert returned.messages[0].text == "Say more about the data."
    amended = founder.applications.save(number, returned.revision, form(title="Green steel, amended"))
    founder.applications.submit(number, amended.revision)
    reviewer.reviews.review(number, review(version=2))
    case = reviewer.reviews.decide(number, approval(version=2))
    assert (case.version.form.title, case.entry.state) == ("Green steel, amended", "approved")

    decided = founder.applications.get(number)
    assert (decided.decision.gpu_hours, decided.decision.reason) == (100, "Sound.")
    project = session.scalars(select(Project)).one()
    assert decided.decision.project == project.slug == "green-steel-amen-1"
    assert (project.cpu_hours, project.gpu_hours, project.call) == (500, 100, "playground-2026")
    assert project.partitions == ["notebooks", "gpu", "transfer"]
    assert [member.person for member in project.members] == ["founder"]
    assert "Start your first notebook" in decided.next
    subjects = [row.subject for row in session.scalars(select(LetterRow).order_by(LetterRow.id))]
    assert [subject.partition(": ")[2] for subject in subjects if ": " in subject] == ["changes requested", "approved"]


def test_before_a_declaration_only_who_applies_with_what_is_shown(founder, reviewer):
    number = submitted(founder).summary.id
    [entry] = reviewer.reviews.queue().entries
    assert (entry.title, entry.applicant) == ("Green steel from hydrogen", "Ada Lovelace")
    for content in ("Surrogate", "Shaft", "None known"):
        assert content not in entry.model_dump_json()
    for deed in (
        lambda: reviewer.reviews.case(number),
        lambda: reviewer.reviews.case_document(number),
        lambda: reviewer.reviews.review(number, review()),
        lambda: reviewer.reviews.ask_back(number, 1, "x"),
        lambda: reviewer.reviews.message_applicant(number, "x"),
        lambda: reviewer.reviews.decide(number, approval()),
    ):
        with pytest.raises(NotAllowed) as refused:
            deed()
        assert refused.value.field == "conflict"


def test_who_has_a_conflict_stays_out_for_good(founder, reviewer):
    number = submitted(founder).summary.id
    assert reviewer.reviews.declare_conflict(number, conflict=True, remarks="My brother").declared is True
    with pytest.raises(NotAllowed):
        reviewer.reviews.case(number)
    with pytest.raises(Conflict):
        reviewer.reviews.declare_conflict(number, conflict=False)


def test_nobody_reviews_their_own_organisation(person, founder):
    number = submitted(founder).summary.id
    own, colleague = person("founder", groups=["reviewers"]), person("colleague", groups=["reviewers"])
    colleague.organisations.join(founder.organisations.profile().organisation.join_code)
    for reviewer in (own, colleague):
        assert reviewer.reviews.queue().entries[0].barred
        desk = reviewer.reviews
        for deed in (lambda: desk.declare_conflict(number, conflict=False), lambda: desk.case(number)):  # noqa: B023
            with pytest.raises(NotAllowed):
                deed()


def test_who_joins_the_organisation_after_declaring_is_out(person, founder, reviewer):
    number = submitted(founder).summary.id
    reviewed(reviewer, number)
    reviewer.organisations.join(founder.organisations.profile().organisation.join_code)
    with pytest.raises(NotAllowed):
        reviewer.reviews.decide(number, approval())


def test_drafts_and_what_was_withdrawn_are_not_on_the_desk(founder, reviewer):
    draft = founder.applications.start(form()).summary.id
    withdrawn = submitted(founder).summary.id
    founder.applications.withdraw(withdrawn)
    assert reviewer.reviews.queue().total == 0
    for number in (draft, withdrawn, 999):
        with pytest.raises(NotFound):
            reviewer.reviews.declare_conflict(number, conflict=False)


@pytest.mark.parametrize(
    ("scores", "field"),
    [
        ({"excellence": 4, "impact": 3}, "scores.implementation"),
        (SCORES | {"impact": 6}, "scores.impact"),
        (SCORES | {"impact": -1}, "scores.impact"),
        (SCORES | {"beauty": 5}, "scores.beauty"),
    ],
)
def test_scores_are_for_the_criteria(founder, reviewer, scores, field):
    number = submitted(founder).summary.id
    reviewer.reviews.declare_conflict(number, conflict=False)
    with pytest.raises(InvalidInput) as refused:
        reviewer.reviews.review(number, review(scores=scores))
    assert refused.value.field == field


def test_two_reviewers_where_the_mode_asks_for_it(founder, reviewer, second):
    number = submitted(founder, **LARGE).summary.id
    reviewed(reviewer, number)
    with pytest.raises(Conflict, match="1 of 2"):
        reviewer.reviews.decide(number, approval())
    second.reviews.declare_conflict(number, conflict=False)
    assert second.reviews.case(number).reviews == (), "nobody is led by another's review"
    with pytest.raises(Conflict, match="Review this version first"):
        second.reviews.decide(number, approval())
    assert {entry.reviewer for entry in second.reviews.review(number, review()).reviews} == {"reviewer", "second"}
    assert second.reviews.decide(number, approval()).decision.approved


def test_a_review_of_an_older_version_does_not_count(founder, reviewer, second):
    number = submitted(founder).summary.id
    reviewed(reviewer, number)
    second.reviews.declare_conflict(number, conflict=False)
    second.reviews.ask_back(number, 1, "More, please.")
    returned = founder.applications.get(number)
    founder.applications.submit(number, returned.revision)
    for deed in (
        lambda: reviewer.reviews.decide(number, approval()),
        lambda: reviewer.reviews.decide(number, approval(version=2)),
        lambda: reviewer.reviews.review(number, review()),
        lambda: reviewer.reviews.ask_back(number, 1, "x"),
    ):
        with pytest.raises(Conflict):
            deed()


def test_a_rejection_has_a_reason_and_makes_no_project(founder, reviewer, session):
    number = submitted(founder).summary.id
    reviewed(reviewer, number)
    with pytest.raises(ValueError, match="reason"):
        approval(approve=False, reason="")
    with pytest.raises(ValueError, match="grants hours"):
        approval(cpu_hours=0, gpu_hours=0)
    reviewer.reviews.decide(number, approval(approve=False, reason="Out of scope."))
    assert founder.applications.get(number).decision.reason == "Out of scope."
    assert session.scalars(select(Project)).all() == []
    with pytest.raises(Conflict, match="rejected by reviewer"):
        reviewer.reviews.decide(number, approval())


def test_of_two_decisions_at_once_one_counts_and_the_other_conflicts(founder, reviewer, second, session):
    """Both see the application undecided and decide at the same moment, one for and one against it."""
    for round_ in range(3):
        number = submitted(founder).summary.id
        for client in (reviewer, second):
            reviewed(client, number)
        barrier, outcomes = threading.Barrier(2), []

        def decide(who, verdict, number=number, barrier=barrier, outcomes=outcomes):
            barrier.wait(10)
            try:
                outcomes.append(who.reviews.decide(number, verdict).decision.approved)
            except Conflict as error:
                outcomes.append(error.message)

        deciding = [
            threading.Thread(target=decide, args=(reviewer, approval())),
            threading.Thread(target=decide, args=(second, approval(approve=False, reason="No."))),
        ]
        for thread in deciding:
            thread.start()
        for thread in deciding:
            thread.join(30)
        conflicts = [outcome for outcome in outcomes if isinstance(outcome, str)]
        [approved] = [outcome for outcome in outcomes if not isinstance(outcome, str)]
        assert len(conflicts) == 1, outcomes
        assert ("approved by reviewer" if approved else "rejected by second") in conflicts[0], round_
        row = session.get(ApplicationRow, number, populate_existing=True)
        assert row.state == (ApplicationState.APPROVED if approved else ApplicationState.REJECTED)
        assert (row.project_id is not None) == approved
        letters = select(LetterRow).where(LetterRow.key == f"application-{number}-decision")
        assert len(session.scalars(letters).all()) == 1


def test_filters_and_what_is_overdue(founder, reviewer, session):
    small, large = submitted(founder).summary.id, submitted(founder, **LARGE).summary.id
    late = now().date() - timedelta(days=3)
    session.execute(update(ApplicationRow).where(ApplicationRow.id == large).values(due=late))
    session.commit()
    everything = reviewer.reviews.queue()
    assert [(entry.id, entry.overdue) for entry in everything.entries] == [(large, True), (small, False)]
    assert everything.entries[0].working_days_left < 0
    for filters, expected_ids in (
        ({"overdue": True}, [large]),
        ({"mode": "playground"}, [small]),
        ({"call": "large-scale-2026"}, [large]),
        ({"sector": "energy"}, []),
        ({"state": "submitted", "order": "newest"}, [large, small]),
        ({"state": "approved"}, []),
        ({"state": "draft"}, []),
        ({"offset": 1}, [small]),
    ):
        assert [
            entry.id for entry in reviewer.reviews.queue(QueueFilter.model_validate(filters)).entries
        ] == expected_ids, filters


@pytest.mark.parametrize("groups", [[], ["admins"], ["trainers"], ["analysts"]])
def test_the_desk_is_for_reviewers(person, groups):
    with pytest.raises(NotAllowed):
        person("somebody", groups=groups).reviews.queue()


# -- what changed since the submission --------------------------------------------------------------------------------


@pytest.mark.parametrize("systems", [(), ("atrium-gpu",)])
def test_an_approval_for_a_system_that_is_gone_is_refused(founder, reviewer, session, monkeypatch, settings, systems):
    """With no system left the project would have no partition, which means all of them."""
    both = FORM["resources"] | {"systems": ["atrium-gpu", "atrium-cpu"]}
    number = submitted(founder, resources=both).summary.id
    reviewed(reviewer, number)
    data = programme.current(settings)
    fewer = data.model_copy(update={"systems": tuple(system for system in data.systems if system.id in systems)})
    monkeypatch.setattr("hub.reviews.service.policy.current", lambda _settings: fewer)
    with pytest.raises(Conflict, match="no longer has the system atrium-") as refused:
        reviewer.reviews.decide(number, approval())
    assert refused.value.field == "systems"
    assert session.scalars(select(Project)).all() == []
    assert founder.applications.get(number).summary.state == "submitted"
    assert not reviewer.reviews.decide(number, approval(approve=False, reason="No.")).decision.approved


def test_an_approval_for_a_system_without_partitions_is_refused(founder, reviewer, session, monkeypatch, settings):
    number = submitted(founder).summary.id
    reviewed(reviewer, number)
    data = programme.current(settings)
    bare = data.model_copy(
        update={"systems": tuple(system.model_copy(update={"partitions": ()}) for system in data.systems)}
    )
    monkeypatch.setattr("hub.reviews.service.policy.current", lambda _settings: bare)
    with pytest.raises(Conflict):
        reviewer.reviews.decide(number, approval())
    assert session.scalars(select(Project)).all() == []


@pytest.mark.parametrize("way", ["leaves", "moves"])
def test_who_was_in_the_organisation_while_it_applied_is_out(person, founder, reviewer, way):
    reviewer.organisations.join(founder.organisations.profile().organisation.join_code)
    number = submitted(founder).summary.id
    if way == "leaves":
        reviewer.organisations.leave()
    else:
        settle(reviewer, name="Another")
    assert reviewer.reviews.queue().entries[0].barred == "You were a member of the organisation that applies."
    with pytest.raises(NotAllowed):
        reviewer.reviews.declare_conflict(number, conflict=False)


def test_who_reviewed_and_was_a_colleague_for_a_while_decides_nothing(founder, reviewer):
    number = submitted(founder).summary.id
    reviewed(reviewer, number)
    reviewer.organisations.join(founder.organisations.profile().organisation.join_code)
    reviewer.organisations.leave()
    with pytest.raises(NotAllowed):
        reviewer.reviews.decide(number, approval())


def test_who_left_the_organisation_before_the_application_was_begun_may_review(founder, reviewer):
    reviewer.organisations.join(founder.organisations.profile().organisation.join_code)
    reviewer.organisations.leave()
    number = submitted(founder).summary.id
    assert reviewed(reviewer, number).entry.barred == ""


def test_an_approval_of_gpu_hours_alone_is_refused(founder, reviewer):
    with pytest.raises(ValueError, match="core hours too"):
        approval(gpu_hours=5, cpu_hours=0)
    assert approval(gpu_hours=0, cpu_hours=5)


@pytest.mark.parametrize("starts", ["2031-01-01", "9999-12-31"])
def test_an_approval_of_a_start_that_is_too_far_away_is_refused(founder, reviewer, session, monkeypatch, starts):
    monkeypatch.setattr("hub.applications.checks._about_start", lambda *_: [])  # as it was submitted earlier
    number = submitted(founder, resources=FORM["resources"] | {"starts": starts}).summary.id
    reviewed(reviewer, number)
    with pytest.raises(Conflict, match="asks for a start after") as refused:
        reviewer.reviews.decide(number, approval())
    assert refused.value.field == "starts"
    assert founder.applications.get(number).summary.state == "submitted"


def test_the_decision_names_the_first_day(founder, reviewer, session):
    first_day = now().date() + timedelta(days=40)
    number = submitted(founder, resources=FORM["resources"] | {"starts": str(first_day)}).summary.id
    reviewed(reviewer, number)
    reviewer.reviews.decide(number, approval())
    [letter] = session.scalars(select(LetterRow).where(LetterRow.key == f"application-{number}-decision"))
    assert f"begins on {first_day:%-d %B %Y}" in letter.text
