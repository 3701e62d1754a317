"""Publications of projects: records like any other, and a catalogue that others can harvest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.dataspace.metadata import dcat, vocabularies
from hub.dataspace.metadata.namespaces import DCAT
from hub.dataspace.models import Quality, Visibility
from hub.dataspace.publications.dcat_ap import StatementNodes, Triple, catalogue_statements, publication_statements
from hub.dataspace.publications.models import Publication, PublicationForm
from hub.dataspace.publications.stored_files import owner_of, with_addresses
from hub.dataspace.publications.tables import PublicationRow
from hub.dataspace.readers import sandbox, shacl
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from hub.identity.models import Person, Role
from hub.projects.models import MemberRole
from hub.projects.service import role_in
from hub.slugs import slug_of
from hub.store import service as store

PAGE = 100
SPACE = "This factory"


def listed(session: Session, projects: frozenset[str]) -> tuple[Publication, ...]:
    """Publications of these projects."""
    query = select(PublicationRow).where(PublicationRow.project.in_(projects)).order_by(PublicationRow.id)
    return tuple(_publication(session, row) for row in session.scalars(query))


def publish(session: Session, person: Person, form: PublicationForm, address: str) -> Publication:
    """Describe an output of a project. ``address`` is where our catalogue is, without a closing slash.

    :raises NotAllowed: not a member; or not a lead, for what others than the project shall see.
    :raises InvalidInput: a theme that is none, a description that breaks the DCAT-AP shapes, or a stored file that the
        person has not uploaded for the project.
    """
    _may_publish(session, person, form)
    slug = f"{slug_of(form.title, 50) or 'record'}-{token_hex(4)}"
    record = RecordRow(source_id=None, uri=f"{address}/{slug}", first_seen=now(), space=SPACE, version=1)
    row = PublicationRow(slug=slug, project=form.project, author=person.name, created=now())
    _describe(record, row, _with_stored_files(session, person, record.uri, form))
    session.add(record)
    session.flush()
    row.record_id = record.id
    session.add(row)
    _refer(session, person, record.uri, form)
    _record_event(session, person, row, "published")
    session.commit()
    return _publication(session, row)


def change(
    session: Session, person: Person, slug: str, form: PublicationForm, *, seen: datetime | None = None
) -> Publication:
    """Replace the description of a publication; its address stays. Raises as :func:`publish`, and :class:`NotFound`.

    :param seen: ``modified`` of the publication that the person has read; None: replace whatever is stored.
    :raises Conflict: somebody else has changed it since.
    """
    row = _of_slug(session, person, slug)
    if form.project != row.project:
        raise InvalidInput("A publication cannot move to another project.", field="project")
    _may_publish(session, person, form)
    record = session.get_one(RecordRow, row.record_id)
    session.refresh(row)  # read after the version of the record, by which a change from now on is noticed
    if seen is not None and row.modified != seen:
        raise _changed_meanwhile()
    before = row.form
    _describe(record, row, _with_stored_files(session, person, record.uri, form))
    _count_version(session, record)
    _refer(session, person, record.uri, form)
    _record_event(session, person, row, "publication changed", before=before)
    session.commit()
    return _publication(session, row)


def withdraw(session: Session, person: Person, slug: str) -> None:
    """Withdraw a publication: its record leaves search and catalogue, and its address answers 404.

    Its stored files are deleted after some time, unless something else refers to them.
    """
    row = _of_slug(session, person, slug)
    record = session.get_one(RecordRow, row.record_id)
    _count_version(session, record)
    record.removed = record.changed = now()
    store.release(session, owner_of(record.uri))
    _record_event(session, person, row, "publication withdrawn")
    session.delete(row)
    session.commit()


def _record_event(session: Session, person: Person, row: PublicationRow, what: str, *, before: str = "") -> None:
    """Add an event to the audit trail, in the caller's transaction.

    :param before: the description that was replaced, as JSON.
    """
    old, new = _audited(before) if before else {}, _audited(row.form)
    on = f"publication/{row.slug}"
    audit.record(session, who=person.name, what=what, on=on, before=old, after=new)


def _audited(form: str) -> dict[str, Any]:
    """What the audit trail keeps of a description: the files by their titles, since descriptions are long."""
    values: dict[str, Any] = json.loads(form)
    files = [file["title"] for file in values["files"]]
    return {name: values[name] for name in ("project", "title", "visibility", "licence")} | {"files": files}


def _may_publish(session: Session, person: Person, form: PublicationForm) -> None:
    role = role_in(session, person.name, form.project)
    if role is None:
        raise NotAllowed(f"You are not a member of {form.project}.")
    if form.visibility != Visibility.PROJECT and role != MemberRole.LEAD:
        raise NotAllowed(
            "Only a lead of the project publishes beyond it.", hint="Publish it within the project, and ask a lead."
        )


def _of_slug(session: Session, person: Person, slug: str) -> PublicationRow:
    """A publication that the person may change: an author's, or a lead's, or any for an admin."""
    row = session.scalar(select(PublicationRow).where(PublicationRow.slug == slug))
    if row is None:
        raise NotFound("There is no such publication.")
    role = role_in(session, person.name, row.project)
    if Role.ADMIN in person.roles or role == MemberRole.LEAD or (role is not None and row.author == person.name):
        return row
    if role is None:
        raise NotFound("There is no such publication.")  # only members may know whether it exists
    raise NotAllowed("Only its author and the leads of the project change it.")


def _describe(record: RecordRow, row: PublicationRow, form: PublicationForm) -> None:
    themes = vocabularies.theme_labels()
    if unknown := [theme for theme in form.themes if theme not in themes]:
        raise InvalidInput(f"{unknown[0]} is not one of the EU data themes.", field="themes")
    row.modified = now()
    triples = list(publication_statements(record.uri, form, row.created, row.modified))
    content = dcat.record(record.uri, StatementNodes(triples))
    assert content is not None  # noqa: S101
    quality = validated(record.uri, triples)
    row.form = form.model_dump_json()
    record.content, record.hash = content.model_dump_json(exclude_defaults=True), dcat.content_hash(content)
    record.visibility, record.project, record.changed = form.visibility, form.project, row.modified
    record.quality, record.checked, record.indexed = quality.model_dump_json(), True, False


def _with_stored_files(session: Session, person: Person, uri: str, form: PublicationForm) -> PublicationForm:
    """The form with the addresses of its stored files; nothing is written, because the check of a form takes long."""
    return with_addresses(form, uri, store.referable(session, **_references(person, uri, form)))


def _refer(session: Session, person: Person, uri: str, form: PublicationForm) -> None:
    """Let a publication refer to its stored files, in the caller's transaction."""
    store.refer(session, **_references(person, uri, form))


def _references(person: Person, uri: str, form: PublicationForm) -> dict[str, Any]:
    digests = {file.stored for file in form.files if file.stored}
    return {"owner": owner_of(uri), "project": form.project, "person": person.name, "digests": digests}


def _count_version(session: Session, record: RecordRow) -> None:
    """Have a stored record indexed anew.

    :raises Conflict: somebody else changed it after it was read; nothing is stored.
    """
    with session.no_autoflush:
        result = session.execute(
            update(RecordRow)
            .where(RecordRow.id == record.id, RecordRow.version == record.version)
            .values(version=RecordRow.version + 1, indexed=False)
            .execution_options(synchronize_session=False)
        )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        session.rollback()
        raise _changed_meanwhile()


def _changed_meanwhile() -> Conflict:
    hint = "Open its form again to see what is stored. What you typed is not stored."
    return Conflict("Somebody else changed this publication in the meantime.", field="seen", hint=hint)


def validated(uri: str, triples: Sequence[Triple]) -> Quality:
    """Quality by the DCAT-AP shapes.

    :raises InvalidInput: the check has failed, and may be tried again.
    """
    nodes = StatementNodes(triples)
    names = [uri, *(name for name in nodes.names() if name != uri)]
    with tempfile.NamedTemporaryFile(prefix="atrium-publish-") as file:
        file.write(shacl.triples(triples))
        file.flush()
        request = {"path": file.name, "records": [[shacl.name_of(name) for name in names]]}
        try:
            [result] = sandbox.run("shapes", request, sandbox.Limits(seconds=60.0))
        except (sandbox.Crashed, ValueError) as error:
            raise InvalidInput("The description could not be checked.", hint="Try again in a minute.") from error
    return Quality.model_validate({**result, "checked": now()})


def _publication(session: Session, row: PublicationRow) -> Publication:
    record = session.get_one(RecordRow, row.record_id)
    return Publication(
        slug=row.slug,
        record_id=row.record_id,
        form=PublicationForm.model_validate_json(row.form),
        quality=Quality.model_validate_json(record.quality or ""),
        created=row.created,
        modified=row.modified,
    )


# -- the catalogue for others -----------------------------------------------------------------------------------------


def catalogue_page(session: Session, address: str, site: str, page: int) -> tuple[list[Triple], bool]:
    """Statements of one page of what everybody may see, and whether there is another page.

    :raises NotFound: there is no such page.
    """
    visible = (
        select(PublicationRow)
        .join(RecordRow, RecordRow.id == PublicationRow.record_id)
        .where(RecordRow.visibility == Visibility.EVERYBODY, RecordRow.removed.is_(None))
        .order_by(PublicationRow.id)
    )
    rows = session.scalars(visible.offset((page - 1) * PAGE).limit(PAGE + 1)).all()
    if not rows and page > 1:
        raise NotFound("The catalogue has no such page.")
    triples = list(catalogue_statements(address, site, page, more=len(rows) > PAGE))
    for row in rows[:PAGE]:
        uri = f"{address}/{row.slug}"
        triples.append((address, DCAT + "dataset", ["i", uri]))
        form = PublicationForm.model_validate_json(row.form)
        triples += publication_statements(uri, form, row.created, row.modified)
    return triples, len(rows) > PAGE


def catalogue_record(session: Session, address: str, slug: str) -> list[Triple]:
    """Statements of one publication that everybody may see; raises :class:`NotFound`."""
    row = session.scalar(
        select(PublicationRow)
        .join(RecordRow, RecordRow.id == PublicationRow.record_id)
        .where(PublicationRow.slug == slug, RecordRow.visibility == Visibility.EVERYBODY, RecordRow.removed.is_(None))
    )
    if row is None:
        raise NotFound("There is no such record.")
    form = PublicationForm.model_validate_json(row.form)
    return list(publication_statements(f"{address}/{slug}", form, row.created, row.modified))
