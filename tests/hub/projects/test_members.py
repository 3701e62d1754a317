"""Members, invitations and extensions, through the client."""

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.db.base import now
from hub.errors import Conflict, HubUnavailable, InvalidInput, NotAllowed, NotFound
from hub.mail.tables import LetterRow
from hub.projects import invitations, service
from hub.projects.models import ExtensionForm, MemberRole, Phase
from hub.projects.provisioning import provision
from hub.projects.tables import InvitationRow, Project
from hub.usage.service import hours_of
from tests.hub.fakes import backends, settle
from tests.hub.projects.test_service import awarded, spec


@pytest.fixture
async def project(session, slurm, settings):
    project = service.record(session, spec(), who="admin")
    await provision(session, backends(slurm, settings), project)
    return project


@pytest.fixture
def lead(person, project):
    return person("founder")


def token_of(session):
    letter = session.scalars(select(LetterRow).where(LetterRow.key.like("invitation-%"))).all()[-1]
    return re.search(r"page: (\S+)", letter.text)[1]


def test_an_invitation_is_good_once(lead, person, session):
    invitation = lead.projects.invite("demo", "eve@example.eu")
    token = token_of(session)
    assert token not in session.scalars(select(InvitationRow.token_hash)).one()
    eve, other = person("trainer"), person("analyst")
    assert eve.projects.invitation(token).title == "A demo, with 'quotes'"
    joined = eve.projects.accept_invitation(token)
    assert (joined.role, joined.state) == (MemberRole.MEMBER, "provisioning")
    for deed in (lambda: other.projects.accept_invitation(token), lambda: other.projects.invitation(token)):
        with pytest.raises(NotFound):
            deed()
    assert lead.projects.invitations("demo")[0].accepted_by == "trainer"
    with pytest.raises(NotFound):
        lead.projects.take_back_invitation("demo", invitation.id)


def test_links_that_are_over_taken_back_or_made_up(lead, person, session):
    lead.projects.invite("demo", "eve@example.eu")
    old = token_of(session)
    session.scalars(select(InvitationRow)).one().expires = now() - timedelta(seconds=1)
    session.commit()
    taken_back = lead.projects.invite("demo", "eve@example.eu")
    back = token_of(session)
    lead.projects.take_back_invitation("demo", taken_back.id)
    for token in (old, back, "x" * 43, "' OR 1=1 --" * 3):
        with pytest.raises(NotFound) as refused:
            person("trainer").projects.accept_invitation(token)
        assert refused.value.field == "token"
    with pytest.raises(InvalidInput):
        person("trainer").projects.accept_invitation("short")


def test_nobody_writes_to_the_world_in_our_name(lead, monkeypatch):
    monkeypatch.setattr(invitations, "INVITATIONS_A_DAY", 2)
    for _ in range(2):
        lead.projects.take_back_invitation("demo", lead.projects.invite("demo", "eve@example.eu").id)
    with pytest.raises(Conflict, match="2 invitations a day"):
        lead.projects.invite("demo", "eve@example.eu")


def test_two_people_at_once_cannot_both_use_one_invitation(lead, person, session, project):
    lead.projects.invite("demo", "eve@example.eu")
    token, barrier, outcomes = token_of(session), threading.Barrier(2), []

    def accept(who):
        barrier.wait(10)
        try:
            who.projects.accept_invitation(token)
            outcomes.append("joined")
        except (NotFound, HubUnavailable) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=accept, args=(person(name),)) for name in ("trainer", "analyst")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes.count("joined") == 1
    session.expire_all()
    assert len(project.members) == 3


def test_a_lead_who_accepts_a_member_s_link_stays_lead(lead, session):
    lead.projects.invite("demo", "eve@example.eu")
    assert lead.projects.accept_invitation(token_of(session)).role is MemberRole.LEAD


async def test_a_member_who_is_removed_loses_access_at_once(lead, person, session, slurm, settings, project):
    colleague = person("colleague")
    assert colleague.projects.get("demo").role is MemberRole.MEMBER
    lead.projects.remove_member("demo", "colleague")
    with pytest.raises(NotFound):
        colleague.projects.get("demo")
    assert hours_of(session, "colleague") == ()
    assert colleague.projects.mine() == ()
    assert [member.leaving for member in lead.projects.get("demo").members] == [False, True]
    session.expire_all()
    around = backends(slurm, settings)
    await provision(session, around, project)
    assert slurm.members["demo"] == ["founder"]
    assert around.storage.directories["demo"] == (("founder",), False)
    assert [member.person for member in lead.projects.get("demo").members] == ["founder"]


def test_a_project_keeps_a_lead(lead, person):
    for deed in (
        lambda: lead.projects.remove_member("demo", "founder"),
        lambda: lead.projects.change_role("demo", "founder", MemberRole.MEMBER),
    ):
        with pytest.raises(Conflict):
            deed()
    lead.projects.change_role("demo", "colleague", MemberRole.LEAD)
    lead.projects.remove_member("demo", "founder")
    with pytest.raises(NotFound):
        lead.projects.get("demo")
    assert person("colleague").projects.get("demo").role is MemberRole.LEAD


def test_members_leave_and_do_nothing_else(lead, person):
    colleague = person("colleague")
    for deed in (
        lambda: colleague.projects.remove_member("demo", "founder"),
        lambda: colleague.projects.invite("demo", "eve@example.eu"),
        lambda: colleague.projects.invitations("demo"),
        lambda: colleague.projects.take_back_invitation("demo", 1),
        lambda: colleague.projects.change_role("demo", "colleague", MemberRole.LEAD),
        lambda: colleague.projects.ask_for_extension("demo", ExtensionForm(months=1, reason="x")),
    ):
        with pytest.raises(NotAllowed):
            deed()
    colleague.projects.remove_member("demo", "colleague")
    assert colleague.projects.mine() == ()


def test_nobody_is_removed_twice_or_who_is_not_there(lead):
    for name in ("nobody", "../founder", "colleague"):
        if name == "colleague":
            lead.projects.remove_member("demo", name)
        with pytest.raises(NotFound):
            lead.projects.remove_member("demo", name)


@pytest.mark.parametrize("address", ["", "eve", "eve@x\r\nBcc: all@x.eu", "a@b, c@d"])
def test_what_is_no_address_gets_no_invitation(lead, session, address):
    with pytest.raises(InvalidInput) as refused:
        lead.projects.invite("demo", address)
    assert refused.value.field == "address"
    assert session.scalars(select(InvitationRow)).all() == []


def test_an_ended_project_invites_nobody(lead, session, project):
    lead.projects.invite("demo", "eve@example.eu")
    token = token_of(session)
    project.phase = Phase.ENDED
    session.commit()
    with pytest.raises(Conflict):
        lead.projects.invite("demo", "eve@example.eu")
    with pytest.raises(Conflict):
        lead.projects.accept_invitation(token)
    session.expire_all()
    assert session.scalars(select(InvitationRow.accepted_by)).all() == [None]


# -- extensions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def granted(session):
    return awarded(session)


def test_an_extension_is_asked_for_and_granted_once(granted, person, session):
    founder, reviewer = person("founder"), person("reviewer", groups=["reviewers"])
    until, revision = granted.until, granted.revision
    with pytest.raises(InvalidInput) as refused:
        founder.projects.ask_for_extension(granted.slug, ExtensionForm(months=7, reason="x"))
    assert refused.value.field == "months"
    extension = founder.projects.ask_for_extension(
        granted.slug, ExtensionForm(months=1, gpu_hours=50, reason="Late data")
    )
    with pytest.raises(Conflict):
        founder.projects.ask_for_extension(granted.slug, ExtensionForm(months=1, reason="again"))
    assert [entry.id for entry in reviewer.projects.open_extensions()] == [extension.id]
    assert reviewer.projects.decide_extension(extension.id, grant=True, answer="Fine.").state == "granted"
    with pytest.raises(Conflict, match="already granted"):
        reviewer.projects.decide_extension(extension.id, grant=False, answer="No.")
    session.expire_all()
    assert granted.until > until + timedelta(days=27)
    assert (granted.gpu_hours, granted.cpu_hours, granted.revision) == (60, 100, revision + 1)
    assert founder.projects.extensions(granted.slug)[0].answer == "Fine."
    assert reviewer.projects.open_extensions() == ()


def test_nobody_extends_a_project_of_their_own(granted, person, session):
    founder = person("founder", groups=["reviewers"])
    settle(founder)
    granted.organisation_id = founder.organisations.profile().organisation.id
    session.commit()
    extension = founder.projects.ask_for_extension(granted.slug, ExtensionForm(months=1, reason="x"))
    colleague = person("colleague", groups=["reviewers"])
    colleague.organisations.join(founder.organisations.profile().organisation.join_code)
    for who in (founder, colleague):
        with pytest.raises(NotAllowed):
            who.projects.decide_extension(extension.id, grant=True, answer="Yes!")
    assert session.scalars(select(Project.gpu_hours)).one() == 10
