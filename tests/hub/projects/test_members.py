"""Members, invitations and extensions, through the client."""

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.db.base import now
from hub.errors import Conflict, HubUnavailable, InvalidInput, NotAllowed, NotFound, TooManyAttempts
from hub.identity.models import Person, Role
from hub.mail.tables import LetterRow
from hub.projects import invitations, members, phases, service
from hub.projects.models import ExtensionForm, InvitationForm, MemberRole, Phase
from hub.projects.provisioning import provision
from hub.projects.tables import InvitationRow, Project
from hub.usage.service import hours_of
from tests.hub.fakes import backends, settle
from tests.hub.projects.test_service import TODAY, awarded, spec


@pytest.fixture
async def project(session, slurm, settings):
    project = service.record(session, spec(), who="admin", today=TODAY)
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


def test_guesses_at_codes_become_slow_for_who_makes_them(lead, person, session):
    lead.projects.invite("demo", "eve@example.eu")
    trainer, token = person("trainer"), token_of(session)
    for number in range(6):
        with pytest.raises(NotFound):
            trainer.projects.invitation(f"{number:043}")
    for code in (token, "x" * 43):
        with pytest.raises(TooManyAttempts, match="Too many attempts") as refused:
            trainer.projects.accept_invitation(code)
        assert refused.value.hint.startswith("Try again in ")
    assert person("analyst").projects.accept_invitation(token).role is MemberRole.MEMBER


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


# -- several changes at once ------------------------------------------------------------------------------------------


def test_of_two_removals_at_once_none_is_lost(sessions, session, project):
    """Both have read the same revision: the second is refused, and removes its member when it is repeated."""
    service.record(session, spec(members={"trainer": MemberRole.MEMBER}), who="admin", today=TODAY)
    admin = Person(name="boss", kind="user", roles=frozenset({Role.ADMIN}))
    with sessions() as first, sessions() as second:
        projects_read = [opened.scalars(select(Project)).one() for opened in (first, second)]
        assert [len(project_read.members) for project_read in projects_read] == [3, 3]
        members.remove(first, admin, "demo", "colleague")
        with pytest.raises(Conflict, match="in the meantime"):
            members.remove(second, admin, "demo", "trainer")
        session.expire_all()
        revision = project.revision
        assert [member.person for member in project.members if member.leaving] == ["colleague"]
        members.remove(second, admin, "demo", "trainer")
    session.expire_all()
    assert [member.person for member in project.members if member.leaving] == ["colleague", "trainer"]
    assert project.revision == revision + 1


def test_two_leads_who_change_each_other_at_once_leave_a_lead(sessions, session, lead, project):
    lead.projects.change_role("demo", "colleague", MemberRole.LEAD)
    with sessions() as first, sessions() as second:
        projects_read = [opened.scalars(select(Project)).one() for opened in (first, second)]
        assert [len(project_read.members) for project_read in projects_read] == [2, 2]
        members.change_role(first, Person(name="founder", kind="user"), "demo", "colleague", MemberRole.MEMBER)
        with pytest.raises(Conflict):
            members.change_role(second, Person(name="colleague", kind="user"), "demo", "founder", MemberRole.MEMBER)
    session.expire_all()
    assert {member.person: member.role for member in project.members} == {
        "founder": MemberRole.LEAD,
        "colleague": MemberRole.MEMBER,
    }


def test_a_change_of_phase_and_a_removal_at_once_are_both_carried_out(
    sessions, session, settings, project, monkeypatch
):
    project.until = now().date() - timedelta(days=1)
    session.commit()
    change_phase = phases._change_phase

    def slow(worker, changed_project, phase):
        with sessions() as another:
            members.remove(another, Person(name="founder", kind="user"), "demo", "colleague")
        change_phase(worker, changed_project, phase)

    monkeypatch.setattr(phases, "_change_phase", slow)
    with sessions() as worker:
        phases.update_phases(worker, settings, now().date())
    monkeypatch.undo()
    session.expire_all()
    assert (project.phase, project.revision) == (Phase.OPEN, 2)
    with sessions() as worker:
        phases.update_phases(worker, settings, now().date())
    session.expire_all()
    assert (project.phase, project.revision) == (Phase.ENDED, 3)


# -- what a former member has left ------------------------------------------------------------------------------------


@pytest.mark.parametrize("removed", [True, False])
def test_the_invitations_of_a_former_lead_are_over(lead, person, session, removed):
    lead.projects.change_role("demo", "colleague", MemberRole.LEAD)
    colleague = person("colleague")
    colleague.projects.invite("demo", "me@example.eu", MemberRole.LEAD)
    token = token_of(session)
    lead.projects.invite("demo", "eve@example.eu")
    if removed:
        lead.projects.remove_member("demo", "colleague")
    else:
        lead.projects.change_role("demo", "colleague", MemberRole.MEMBER)
    with pytest.raises(NotFound):
        colleague.projects.accept_invitation(token)
    assert lead.projects.get("demo").members[1].leaving is removed
    assert person("analyst").projects.accept_invitation(token_of(session)).role is MemberRole.MEMBER


def test_the_invitations_of_a_lead_whom_an_admin_makes_a_member_are_over(lead, person, session):
    lead.projects.invite("demo", "eve@example.eu", MemberRole.LEAD)
    roles = {"colleague": MemberRole.LEAD, "founder": MemberRole.MEMBER}
    service.record(session, spec(members=roles), who="admin", today=TODAY)
    with pytest.raises(NotFound):
        person("analyst").projects.accept_invitation(token_of(session))


def test_an_invitation_of_a_lead_who_is_removed_meanwhile_is_not_sent(sessions, settings, lead, session):
    lead.projects.change_role("demo", "colleague", MemberRole.LEAD)
    with sessions() as slow:
        project_read = slow.scalars(select(Project)).one()
        assert len(project_read.members) == 2
        lead.projects.remove_member("demo", "colleague")
        form = InvitationForm(address="me@example.eu", role=MemberRole.LEAD)
        with pytest.raises(Conflict):
            invitations.invite(slow, settings, Person(name="colleague", kind="user"), "demo", form)
    assert session.scalars(select(InvitationRow)).all() == []


def test_who_is_leaving_gets_no_mail_of_the_project(lead, session, settings, project):
    lead.projects.remove_member("demo", "colleague")
    session.expire_all()
    members.notify(session, settings, project, subject="x", text="x", key="x")
    assert [letter.key for letter in session.scalars(select(LetterRow))] == [f"project-{project.id}-x-founder"]


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


async def test_who_was_a_member_extends_no_project(granted, person, session, slurm, settings):
    founder = person("founder")
    service.set_roles(granted, {"colleague": MemberRole.MEMBER})
    service.mark_changed(granted)
    session.commit()
    extension = founder.projects.ask_for_extension(granted.slug, ExtensionForm(months=1, reason="x"))
    colleague = person("colleague", groups=["reviewers"])
    colleague.projects.remove_member(granted.slug, "colleague")
    for _ in range(2):
        with pytest.raises(NotAllowed):
            colleague.projects.decide_extension(extension.id, grant=True, answer="Yes!")
        session.expire_all()
        await provision(session, backends(slurm, settings), granted)
    session.expire_all()
    assert [member.person for member in granted.members] == ["founder"]


def test_who_left_the_organisation_after_the_project_began_extends_it_not(granted, person, session):
    founder, colleague = person("founder"), person("colleague", groups=["reviewers"])
    settle(founder)
    granted.organisation_id = founder.organisations.profile().organisation.id
    session.commit()
    colleague.organisations.join(founder.organisations.profile().organisation.join_code)
    colleague.organisations.leave()
    extension = founder.projects.ask_for_extension(granted.slug, ExtensionForm(months=1, reason="x"))
    with pytest.raises(NotAllowed):
        colleague.projects.decide_extension(extension.id, grant=True, answer="Yes!")


def test_gpu_hours_are_not_added_to_a_project_without_core_hours(granted, person, session):
    project = session.scalars(select(Project)).one()
    project.cpu_hours = 0
    session.commit()
    with pytest.raises(InvalidInput) as refused:
        person("founder").projects.ask_for_extension(project.slug, ExtensionForm(gpu_hours=5, reason="More"))
    assert refused.value.field == "cpu_hours"
