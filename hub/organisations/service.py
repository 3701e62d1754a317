"""Profiles and organisations of the people who use the site; each person changes their own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Update, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.exc import StaleDataError

from hub.audit import service as audit
from hub.calls.models import Programme
from hub.db.base import now
from hub.errors import Conflict, NotAllowed, NotFound
from hub.mail import service as mail
from hub.organisations import sme
from hub.organisations.models import (
    NEVER,
    Organisation,
    OrganisationForm,
    OrganisationUpdate,
    Profile,
    ProfileForm,
)
from hub.organisations.tables import FormerColleague, OrganisationRow, ProfileRow


def profile(session: Session, programme: Programme, person: str) -> Profile:
    """The profile of a person; empty before they store one."""
    row = _row(session, person)
    return Profile(
        person=person,
        form=ProfileForm.model_validate(row.form) if row else ProfileForm(),
        organisation=_organisation(programme, row.organisation) if row and row.organisation else None,
        changed=row.changed if row else None,
    )


def write_profile(
    session: Session, programme: Programme, person: str, form: ProfileForm, *, seen: datetime | None = None
) -> Profile:
    """Store the profile; mail of the site goes to the address in it from now on.

    :param seen: ``changed`` of the profile that the person has read, :data:`NEVER` for one that was never stored; None:
        replace whatever is stored.
    :raises Conflict: another one is stored by now.
    """
    stored = session.scalar(select(ProfileRow.changed).where(ProfileRow.person == person))
    if seen is not None and seen != (stored or NEVER):
        raise _profile_changed()
    values = {"form": form.model_dump(mode="json"), "changed": now()}
    try:
        if stored is None:
            session.execute(insert(ProfileRow).values(person=person, **values))
        elif not session.execute(_of_moment(person, stored).values(values)).rowcount:  # type: ignore[attr-defined]
            raise _profile_changed()
        mail.set_address(session, person, form.contact)
        session.commit()
    except (IntegrityError, Conflict) as error:
        session.rollback()
        raise _profile_changed() from error
    session.expire_all()
    return profile(session, programme, person)


def _of_moment(person: str, changed: datetime) -> Update:
    """A change of the profile that was stored at a moment, and of no later one."""
    row = update(ProfileRow).where(ProfileRow.person == person, ProfileRow.changed == changed)
    return row.execution_options(synchronize_session=False)


def _profile_changed() -> Conflict:
    return Conflict("Your profile was changed in another tab or on another device.", field="seen")


def create(session: Session, programme: Programme, person: str, form: OrganisationForm) -> Organisation:
    """Create an organisation with ``person`` as its first member, who leaves any other one."""
    organisation = OrganisationRow(
        name=form.name, form=form.model_dump(mode="json"), join_code=secrets.token_urlsafe(18), created=now()
    )
    session.add(organisation)
    session.flush()
    _move(session, person, organisation)
    audit.record(session, who=person, what="organisation registered", on=_on(organisation), after=organisation.form)
    session.commit()
    return _fresh(session, programme, person)


def change(session: Session, programme: Programme, person: str, changed: OrganisationUpdate) -> Organisation:
    """Change the person's organisation; raises :class:`Conflict` if it has another revision by now."""
    row = _own_organisation(session, person)
    if row.revision != changed.revision:
        raise _changed_meanwhile()
    before, row.name, row.form = row.form, changed.form.name, changed.form.model_dump(mode="json")
    audit.record(session, who=person, what="organisation changed", on=_on(row), before=before, after=row.form)
    try:
        session.commit()
    except StaleDataError as error:
        session.rollback()
        raise _changed_meanwhile() from error
    return _fresh(session, programme, person)


def join(session: Session, programme: Programme, person: str, code: str) -> Organisation:
    """Join the organisation with this code; raises :class:`NotFound` if there is none."""
    organisation = session.scalar(select(OrganisationRow).where(OrganisationRow.join_code == code))
    if organisation is None:
        raise NotFound("No organisation has this code.", field="code", hint="Ask a colleague for the current code.")
    _move(session, person, organisation)
    audit.record(session, who=person, what="organisation joined", on=_on(organisation))
    session.commit()
    return _fresh(session, programme, person)


def leave(session: Session, programme: Programme, person: str) -> Profile:
    organisation = _own_organisation(session, person)
    _leave(session, _own_row(session, person))
    audit.record(session, who=person, what="organisation left", on=_on(organisation))
    session.commit()
    session.expire_all()
    return profile(session, programme, person)


def renew_code(session: Session, programme: Programme, person: str) -> Organisation:
    """Replace the code to join with; the old one stops working."""
    row = _own_organisation(session, person)
    row.join_code = secrets.token_urlsafe(18)
    audit.record(session, who=person, what="join code renewed", on=_on(row))
    session.commit()
    return _fresh(session, programme, person)


def organisation_of(session: Session, person: str) -> int | None:
    """Id of the organisation somebody belongs to."""
    return session.scalar(select(ProfileRow.organisation_id).where(ProfileRow.person == person))


def affiliations(session: Session, person: str) -> dict[int, datetime | None]:
    """Organisations that somebody belongs or has belonged to, each with the time they left; None: a member now."""
    former = select(FormerColleague).where(FormerColleague.person == person)
    until: dict[int, datetime | None] = {row.organisation_id: row.until for row in session.scalars(former)}
    organisation = organisation_of(session, person)
    return until if organisation is None else until | {organisation: None}


def belonged_since(affiliations: Mapping[int, datetime | None], organisation: int | None, moment: datetime) -> bool:
    """Whether a person with these ``affiliations`` has been a member of the organisation at any time since."""
    if organisation is None or organisation not in affiliations:
        return False
    until = affiliations[organisation]
    return until is None or until >= moment


def _changed_meanwhile() -> Conflict:
    return Conflict("Somebody else changed your organisation in the meantime.", field="revision")


def _move(session: Session, person: str, organisation: OrganisationRow) -> None:
    row = _own_row(session, person)
    if row.organisation_id != organisation.id:
        _leave(session, row)
    row.organisation_id, row.changed = organisation.id, now()


def _leave(session: Session, row: ProfileRow) -> None:
    if row.organisation_id is not None:
        session.merge(FormerColleague(person=row.person, organisation_id=row.organisation_id, until=now()))
    row.organisation_id = None


def _own_row(session: Session, person: str) -> ProfileRow:
    row = _row(session, person)
    if row is None:
        row = ProfileRow(person=person, form=ProfileForm().model_dump(mode="json"), changed=now())
        session.add(row)
    return row


def _row(session: Session, person: str) -> ProfileRow | None:
    people = selectinload(ProfileRow.organisation).selectinload(OrganisationRow.people)
    return session.scalar(select(ProfileRow).where(ProfileRow.person == person).options(people))


def _own_organisation(session: Session, person: str) -> OrganisationRow:
    row = _row(session, person)
    if row is None or row.organisation is None:
        raise NotAllowed(
            "You are not a member of an organisation.", hint="Create one, or join with a colleague's code."
        )
    return row.organisation


def _fresh(session: Session, programme: Programme, person: str) -> Organisation:
    session.expire_all()
    return _organisation(programme, _own_organisation(session, person))


def _organisation(programme: Programme, row: OrganisationRow) -> Organisation:
    form = OrganisationForm.model_validate(row.form)
    return Organisation(
        id=row.id,
        revision=row.revision,
        form=form,
        sme=sme.classify(programme, form.figures) if form.figures else None,
        people=tuple(member.person for member in row.people),
        join_code=row.join_code,
    )


def _on(row: OrganisationRow) -> str:
    return f"organisation/{row.id}"
