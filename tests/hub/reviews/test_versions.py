"""What a reviewer sees before their declaration, and with which version they compare the current one."""

import pytest
from sqlalchemy import select

from hub.audit.tables import EventRow
from hub.organisations.models import ProfileForm
from tests.hub.fakes import form, settle, submitted
from tests.hub.reviews.test_routes import review


@pytest.fixture
def founder(person):
    founder = person("founder")
    settle(founder)
    founder.organisations.write_profile(ProfileForm(full_name="Ada Steel"))
    return founder


@pytest.fixture
def reviewer(person):
    return person("reviewer", groups=["reviewers"])


def amended(founder, number, **changes):
    returned = founder.applications.get(number)
    saved = founder.applications.save(number, returned.revision, form(**changes))
    return founder.applications.submit(number, saved.revision)


def test_the_queue_names_title_and_applicant_as_submitted(founder, reviewer):
    number = submitted(founder).summary.id
    founder.organisations.write_profile(ProfileForm(full_name="Somebody Else"))
    [entry] = reviewer.reviews.queue().entries
    assert (entry.title, entry.applicant) == ("Green steel from hydrogen", "Ada Steel")
    assert entry.declared is None
    reviewer.reviews.declare_conflict(number, conflict=False)
    reviewer.reviews.ask_back(number, 1, "More?")
    amended(founder, number, title="Amended")
    [entry] = reviewer.reviews.queue().entries
    assert (entry.title, entry.applicant) == ("Amended", "Somebody Else")


def test_the_version_to_compare_with(founder, reviewer, person):
    number = submitted(founder, title="First").summary.id
    reviewer.reviews.declare_conflict(number, conflict=False)
    assert reviewer.reviews.case(number).previous is None
    reviewer.reviews.review(number, review())
    for version, title in ((1, "Second"), (2, "Third")):
        reviewer.reviews.ask_back(number, version, "More?")
        amended(founder, number, title=title)
    assert reviewer.reviews.case(number).previous.form.title == "First"  # their own last review was of it
    second = person("second", groups=["reviewers"])
    second.reviews.declare_conflict(number, conflict=False)
    assert second.reviews.case(number).previous.form.title == "Second"
    reviewer.reviews.review(number, review(version=3))
    assert reviewer.reviews.case(number).previous.form.title == "Second"


@pytest.mark.parametrize(
    ("conflict", "what"), [(True, "conflict of interest declared"), (False, "no conflict of interest declared")]
)
def test_a_declaration_is_logged_as_what_was_declared(founder, reviewer, session, conflict, what):
    number = submitted(founder).summary.id
    reviewer.reviews.declare_conflict(number, conflict=conflict)
    events = session.scalars(select(EventRow.what).where(EventRow.who == "reviewer")).all()
    assert events == [what]
