"""Drafts: one from two pages, and deleted ones."""

import threading

import pytest
from sqlalchemy import select

from hub.applications.models import Form
from hub.applications.tables import ApplicationRow, MessageRow
from hub.audit.tables import EventRow
from hub.errors import Conflict, NotFound
from tests.hub.fakes import form, settle, submitted


@pytest.fixture
def founder(person):
    founder = person("founder")
    settle(founder)
    return founder


def test_a_page_that_does_not_know_the_newest_draft_begins_no_other(founder):
    first = founder.applications.start(Form(title="First"), after=0)
    with pytest.raises(Conflict) as refused:
        founder.applications.start(Form(title="Second"), after=0)
    assert refused.value.field == "after"
    assert [summary.title for summary in founder.applications.mine()] == ["First"]
    founder.applications.start(Form(title="Another"), after=first.summary.id)
    founder.applications.start(Form(title="From a script"))
    assert len(founder.applications.mine()) == 3


def test_two_first_saves_at_once_make_one_draft(founder, session):
    results = []

    def save(title):
        try:
            results.append(founder.applications.start(Form(title=title), after=0).form.title)
        except Conflict as conflict:
            results.append(conflict.field)

    threads = [threading.Thread(target=save, args=(f"Tab {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("after") == 5
    assert len(session.scalars(select(ApplicationRow.id)).all()) == 1


def test_others_drafts_do_not_count(person, founder):
    person("colleague").applications.start(Form(title="Not mine"), after=0)
    founder.applications.start(Form(title="Mine"), after=0)


def test_a_draft_is_deleted_with_its_content_and_its_number_stays_used(founder, session):
    draft = founder.applications.start(Form(title="Secret"), after=0)
    number = draft.summary.id
    assert draft.summary.deletable
    founder.applications.message_reviewers(number, "Hello?")
    founder.applications.delete(number)

    assert founder.applications.mine() == ()
    for use in (
        lambda: founder.applications.get(number),
        lambda: founder.applications.save(number, draft.revision, form()),
        lambda: founder.applications.delete(number),
        lambda: founder.applications.submit(number, draft.revision),
    ):
        with pytest.raises(NotFound, match="You deleted this draft"):
            use()
    assert session.scalars(select(ApplicationRow.form)).all() == [{}]
    assert session.scalars(select(ApplicationRow.title)).all() == [""]
    assert session.scalars(select(MessageRow)).all() == []
    assert session.scalars(select(EventRow.what).where(EventRow.on == f"application/{number}")).all() == [
        "draft deleted"
    ]
    assert founder.applications.start(Form(), after=0).summary.id > number


def test_the_start_page_forgets_a_deleted_draft(founder):
    number = founder.applications.start(Form(title="Steel")).summary.id
    founder.applications.delete(number)
    assert founder.overview("founder").application is None


def test_what_was_submitted_cannot_be_deleted(person, founder):
    application = submitted(founder)
    assert not application.summary.deletable
    with pytest.raises(Conflict):
        founder.applications.delete(application.summary.id)
    reviewer = person("reviewer", groups=["reviewers"])
    reviewer.reviews.declare_conflict(application.summary.id, conflict=False)
    reviewer.reviews.ask_back(application.summary.id, 1, "More?")
    assert not founder.applications.get(application.summary.id).summary.deletable
    with pytest.raises(Conflict, match="submitted before"):
        founder.applications.delete(application.summary.id)


def test_a_deleted_draft_does_not_count_as_one(founder):
    for _ in range(50):
        number = founder.applications.start(Form()).summary.id
    with pytest.raises(Conflict, match="50 drafts"):
        founder.applications.start(Form())
    founder.applications.delete(number)
    founder.applications.start(Form())
