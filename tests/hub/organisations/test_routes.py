from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.calls import programme as policy
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.mail import service as mail
from hub.mail.tables import LetterRow
from hub.organisations import service
from hub.organisations.models import NEVER, OrganisationForm, ProfileForm, is_orcid
from hub.organisations.tables import ProfileRow
from hub.settings import Mail
from tests.hub.fakes import ORGANISATION, settle, submitted


@pytest.fixture
def settings(settings):
    """Those of a site with a mail server: without one, mail goes to accounts' own addresses."""
    return settings.model_copy(update={"mail": Mail(smtp_host="mail.example.eu")})


def organisation(**changes):
    return OrganisationForm.model_validate(ORGANISATION | changes)


def test_a_new_person_has_an_empty_profile(person):
    profile = person("founder").organisations.profile()
    assert (profile.form.full_name, profile.organisation) == ("", None)


def test_several_people_of_one_organisation(person):
    founder, colleague = person("founder"), person("colleague")
    settle(founder)
    mine = founder.organisations.profile().organisation
    assert mine.sme.category == "small"
    joined = colleague.organisations.join(mine.join_code)
    assert joined.people == ("colleague", "founder")
    changed = colleague.organisations.change(joined.revision, organisation(name="Greener Steel"))
    assert founder.organisations.profile().organisation.form.name == "Greener Steel"
    with pytest.raises(Conflict) as refused:
        founder.organisations.change(mine.revision, organisation(name="Mine"))
    assert refused.value.field == "revision"
    assert changed.revision == mine.revision + 1


def test_a_code_that_was_renewed_is_worth_nothing(person):
    founder, stranger = person("founder"), person("trainer")
    settle(founder)
    old = founder.organisations.profile().organisation.join_code
    founder.organisations.renew_code()
    for code in (old, "", "x"):
        with pytest.raises(NotFound):
            stranger.organisations.join(code)


def test_who_belongs_to_none_changes_none(person):
    stranger = person("trainer")
    for deed in (
        stranger.organisations.leave,
        stranger.organisations.renew_code,
        lambda: stranger.organisations.change(1, organisation()),
    ):
        with pytest.raises(NotAllowed):
            deed()


def test_a_person_who_left_has_no_organisation(person):
    founder = person("founder")
    settle(founder)
    assert founder.organisations.leave().organisation is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"country": "Austria"}, "country"),
        ({"kind": "sect"}, "kind"),
        ({"website": "javascript:alert(1)"}, "website"),
        ({"figures": {"staff": -1, "turnover": 0, "balance": 0}}, "figures.staff"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_validation_error_names_the_field(api, hub, changes, field):
    headers = {"Authorization": f"token {hub.sign_in('founder')}"}
    answer = api.post("/organisation", json=ORGANISATION | changes, headers=headers)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_a_contact_is_an_address(person):
    founder = person("founder")
    with pytest.raises(ValueError, match="contact"):
        ProfileForm(contact="nobody")
    assert founder.organisations.write_profile(ProfileForm(contact="ada@example.eu")).form.contact == "ada@example.eu"


def test_a_service_has_no_profile(person):
    with pytest.raises(NotAllowed):
        person("pages", kind="service").organisations.profile()


def test_input_error_is_the_class_of_the_client(person):
    with pytest.raises(InvalidInput):
        person("founder")._connection.send("PUT", "/profile", {"full_name": "a\0b"}, ProfileForm)


@pytest.mark.parametrize(
    ("orcid", "is_right"),
    [
        ("0000-0002-1825-0097", True),
        ("0000-0001-5109-3700", True),
        ("0000-0002-1694-233X", True),
        ("0000-0002-1825-0098", False),
        ("0000-0002-1694-2330", False),
        ("0000-0002-1852-0097", False),
    ],
)
def test_the_check_digit_of_an_orcid_is_checked_and_said_at_its_field(person, orcid, is_right):
    assert is_orcid(orcid) is is_right
    founder = person("founder")
    if is_right:
        assert founder.organisations.write_profile(ProfileForm(orcid=orcid)).form.orcid == orcid
        return
    with pytest.raises(InvalidInput) as refused:
        founder.organisations.write_profile(ProfileForm(orcid=orcid))
    assert (refused.value.field or "").endswith("orcid")


def test_a_profile_from_before_the_check_can_still_be_read(person, session):
    founder = person("founder")
    founder.organisations.write_profile(ProfileForm(full_name="Ada"))
    session.get(ProfileRow, "founder").form = {"orcid": "0000-0002-1825-0098"}
    session.commit()
    assert founder.organisations.profile().form.orcid == "0000-0002-1825-0098"


def test_mail_goes_to_the_address_that_a_person_gave(person, session, settings):
    founder = person("founder")
    own = mail.address_of(session, "founder", settings)
    founder.organisations.write_profile(ProfileForm(contact="ada@example.eu"))
    session.expire_all()
    assert mail.address_of(session, "founder", settings) == "ada@example.eu"
    assert mail.address_of(session, "colleague", settings) == own.replace("founder", "colleague")
    founder.organisations.write_profile(ProfileForm(contact=None))
    session.expire_all()
    assert mail.address_of(session, "founder", settings) == own


def test_a_decision_is_mailed_to_the_address_that_the_applicant_gave(person, session):
    founder, reviewer = person("founder"), person("reviewer", groups=["reviewers"])
    settle(founder)
    founder.organisations.write_profile(ProfileForm(full_name="Ada", contact="ada@example.eu"))
    number = submitted(founder).summary.id
    reviewer.reviews.declare_conflict(number, conflict=False)
    reviewer.reviews.ask_back(number, 1, "More?")
    letters = session.scalars(select(LetterRow.to).where(LetterRow.subject.contains("changes requested"))).all()
    assert letters == ["ada@example.eu"]


def test_of_two_profiles_of_one_reading_the_second_is_refused(person):
    founder = person("founder").organisations
    first = founder.write_profile(ProfileForm(full_name="First"), seen=NEVER)
    for seen in (NEVER, first.changed - timedelta(seconds=1)):
        with pytest.raises(Conflict):
            founder.write_profile(ProfileForm(full_name="Second"), seen=seen)
    assert founder.profile().form.full_name == "First"
    assert founder.write_profile(ProfileForm(full_name="Second"), seen=first.changed).form.full_name == "Second"


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_profiles_at_once_none_is_lost(sessions, settings, monkeypatch, is_first):
    """Another process stores its own between the look at what is stored and the change."""
    programme = policy.current(settings)

    def store(name, seen):
        with sessions() as session:
            return service.write_profile(session, programme, "founder", ProfileForm(full_name=name), seen=seen)

    seen = NEVER if is_first else store("Before", NEVER).changed
    write, others = service.now, ["Other"]

    def between():
        if others:
            store(others.pop(), seen)
        return write()

    monkeypatch.setattr(service, "now", between)
    with pytest.raises(Conflict):
        store("Mine", seen)
    with sessions() as session:
        assert service.profile(session, programme, "founder").form.full_name == "Other"
