"""Versions of applications: what was submitted, which never changes. Used by applicants and by the review desk."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from hub.applications import aiact
from hub.applications.models import Form, Version
from hub.applications.tables import VersionRow
from hub.applications.views import reference
from hub.calls.calendar import day_in
from hub.calls.models import Programme
from hub.calls.prices import price_of_call
from hub.errors import Conflict, InvalidInput, NotFound
from hub.organisations.models import Profile


def stored_version(session: Session, number: int, version: int) -> Version:
    """A submitted version; raises :class:`NotFound`."""
    row = session.scalar(select(VersionRow).where(VersionRow.application_id == number, VersionRow.number == version))
    if row is None:
        raise NotFound(f"{reference(number)} has no version {version}.", field="version")
    return Version.model_validate(row.content)


def submitted_versions(session: Session, number: int) -> tuple[Version, ...]:
    """All versions of an application, the first one first."""
    rows = session.scalars(select(VersionRow).where(VersionRow.application_id == number).order_by(VersionRow.number))
    return tuple(Version.model_validate(row.content) for row in rows)


def build(programme: Programme, number: int, form: Form, profile: Profile, moment: datetime) -> Version:
    """A version of ``form`` with everything it is judged by; raises :class:`InvalidInput` without an organisation."""
    if profile.organisation is None:
        raise InvalidInput("Enter the organisation that you apply for.", field="organisation")
    organisation = profile.organisation
    is_sme = organisation.sme.is_sme if organisation.sme else None
    return Version(
        number=number,
        submitted=moment,
        by=profile.person,
        form=form,
        profile=profile.form,
        organisation_id=organisation.id,
        organisation=organisation.form,
        sme=organisation.sme,
        price=price_of_call(programme, form.call, organisation.form.kind, is_sme, form.conditions),
        self_check=aiact.check(programme, form, day_in(programme.zone, moment)),
    )


def store(session: Session, number: int, version: Version) -> None:
    """Add a version to the caller's transaction, to be committed by :func:`commit`."""
    session.add(
        VersionRow(
            application_id=number,
            number=version.number,
            submitted=version.submitted,
            by=version.by,
            content=version.model_dump(mode="json"),
        )
    )


def commit(session: Session) -> None:
    """Commit; raises :class:`Conflict` if another device stored the same version first."""
    try:
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise Conflict(
            "This application was submitted from another device at the same moment.", field="revision"
        ) from error
