import pytest

from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.organisations.models import OrganisationForm, ProfileForm
from tests.hub.fakes import ORGANISATION, settle


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
