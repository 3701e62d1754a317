"""Publishing back: what a project describes becomes a record like any other, and a catalogue for others to harvest."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

import pyoxigraph as ox
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.dataspace.metadata import dcat, vocabularies
from hub.dataspace.metadata.dcat import DCAT, DCT, FOAF, IT6, RDF, SPDX, VCARD
from hub.dataspace.models import Access, Kind, Publication, PublicationForm, Quality, Visibility
from hub.dataspace.readers import sandbox, shacl
from hub.dataspace.tables import PublicationRow, RecordRow
from hub.db.base import now
from hub.errors import InvalidInput, NotAllowed, NotFound
from hub.identity.models import Person, Role
from hub.projects.models import MemberRole
from hub.projects.tables import Member, Project
from hub.slugs import slug_of

PAGE = 100
SPACE = "This factory"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_HYDRA = "http://www.w3.org/ns/hydra/core#"
_RIGHTS = {Access.PUBLIC: "PUBLIC", Access.RESTRICTED: "RESTRICTED"}
_PREFIXES = {"dcat": DCAT, "dct": DCT, "foaf": FOAF, "vcard": VCARD, "spdx": SPDX, "hydra": _HYDRA, "xsd": _XSD}

FORMATS = {
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/ld+json": ox.RdfFormat.JSON_LD,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
}

Triple = tuple[str, str, list[Any]]


class _Triples:
    """Statements as :class:`hub.dataspace.metadata.dcat.Nodes` wants them."""

    def __init__(self, triples: Sequence[Triple]) -> None:
        self._nodes: dict[str, dict[str, list[Any]]] = {}
        for subject, predicate, term in triples:
            self._nodes.setdefault(subject, {}).setdefault(predicate, []).append(term)

    def about(self, identity: str) -> Mapping[str, Sequence[Any]]:
        return self._nodes.get(identity, {})

    def names(self) -> list[str]:
        return list(self._nodes)


# -- rules ------------------------------------------------------------------------------------------------------------


def listed(session: Session, projects: frozenset[str]) -> tuple[Publication, ...]:
    """What somebody's projects have published."""
    query = select(PublicationRow).where(PublicationRow.project.in_(projects)).order_by(PublicationRow.id)
    return tuple(_publication(session, row) for row in session.scalars(query))


def publish(session: Session, person: Person, form: PublicationForm, address: str) -> Publication:
    """Describe an output of a project. ``address`` is where our catalogue is, without a closing slash.

    :raises NotAllowed: not a member; or not a lead, for what others than the project shall see.
    :raises InvalidInput: a theme that is none, or a description that breaks the DCAT-AP shapes.
    """
    _may_publish(session, person, form)
    slug = f"{slug_of(form.title, 50) or 'record'}-{token_hex(4)}"
    record = RecordRow(source_id=None, uri=f"{address}/{slug}", first_seen=now(), space=SPACE)
    row = PublicationRow(slug=slug, project=form.project, author=person.name, created=now())
    _describe(record, row, form)
    session.add(record)
    session.flush()
    row.record_id = record.id
    session.add(row)
    session.commit()
    return _publication(session, row)


def change(session: Session, person: Person, slug: str, form: PublicationForm) -> Publication:
    """Describe it anew; its address stays. Raises as :func:`publish`, and :class:`NotFound`."""
    row = _of_slug(session, person, slug)
    if form.project != row.project:
        raise InvalidInput("What a project has published stays its own.", field="project")
    _may_publish(session, person, form)
    record = session.get_one(RecordRow, row.record_id)
    _describe(record, row, form)
    session.commit()
    return _publication(session, row)


def withdraw(session: Session, person: Person, slug: str) -> None:
    """Take a publication back: the record leaves search and catalogue, and its address answers 404."""
    row = _of_slug(session, person, slug)
    record = session.get_one(RecordRow, row.record_id)
    record.removed = record.changed = now()
    record.indexed, record.version = False, record.version + 1
    session.delete(row)
    session.commit()


def _may_publish(session: Session, person: Person, form: PublicationForm) -> None:
    role = session.scalar(
        select(Member.role).join(Project).where(Project.slug == form.project, Member.person == person.name)
    )
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
    role = session.scalar(
        select(Member.role).join(Project).where(Project.slug == row.project, Member.person == person.name)
    )
    if Role.ADMIN in person.roles or role == MemberRole.LEAD or (role is not None and row.author == person.name):
        return row
    if role is None:
        raise NotFound("There is no such publication.")  # whether there is one is the project's own matter
    raise NotAllowed("Only its author and the leads of the project change it.")


def _describe(record: RecordRow, row: PublicationRow, form: PublicationForm) -> None:
    known = vocabularies.theme_labels()
    if unknown := [theme for theme in form.themes if theme not in known]:
        raise InvalidInput(f"{unknown[0]} is not one of the EU data themes.", field="themes")
    row.modified = now()
    triples = list(_triples(record.uri, form, row.created, row.modified))
    found = dcat.record(record.uri, _Triples(triples))
    assert found is not None  # noqa: S101
    judged = validated(record.uri, triples)
    row.form = form.model_dump_json()
    record.content, record.hash = found.model_dump_json(exclude_defaults=True), dcat.content_hash(found)
    record.visibility, record.project, record.changed = form.visibility, form.project, row.modified
    record.quality, record.checked, record.indexed = judged.model_dump_json(), True, False
    record.version = (record.version or 0) + 1


def validated(uri: str, triples: Sequence[Triple]) -> Quality:
    """Quality by the DCAT-AP shapes.

    :raises InvalidInput: the shapes cannot be checked just now.
    """
    nodes = _Triples(triples)
    names = [uri, *(name for name in nodes.names() if name != uri)]
    with tempfile.NamedTemporaryFile(prefix="atrium-publish-") as file:
        file.write(shacl.triples(triples))
        file.flush()
        request = {"path": file.name, "records": [[shacl.name_of(name) for name in names]]}
        try:
            [told] = sandbox.run("shapes", request, sandbox.Limits(seconds=60.0))
        except (sandbox.Crashed, ValueError) as error:
            raise InvalidInput("The description could not be checked.", hint="Try again in a minute.") from error
    return Quality.model_validate({**told, "checked": now()})


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


# -- as DCAT-AP -------------------------------------------------------------------------------------------------------


def _triples(uri: str, form: PublicationForm, created: datetime, modified: datetime) -> Iterator[Triple]:
    model = form.kind == Kind.MODEL
    yield uri, RDF + "type", ["i", IT6 + "MachineLearningModel" if model else DCAT + "Dataset"]
    yield uri, DCT + "title", _text(form.title, form.language)
    yield uri, DCT + "description", _text(form.description, form.language)
    yield uri, DCT + "identifier", _text(uri)
    yield uri, DCT + "issued", _literal(created.isoformat(), "dateTime")
    yield uri, DCT + "modified", _literal(modified.isoformat(), "dateTime")
    yield uri, DCT + "license", ["i", form.licence]
    yield uri, DCT + "accessRights", ["i", f"{vocabularies.AUTHORITY}access-right/{_RIGHTS[form.access]}"]
    for keyword in form.keywords:
        yield uri, DCAT + "keyword", _text(keyword, form.language)
    for theme in form.themes:
        yield uri, DCAT + "theme", ["i", f"{vocabularies.AUTHORITY}data-theme/{theme}"]
    if form.version:
        yield uri, DCAT + "version", _text(form.version)
    for origin in form.origins:
        yield uri, DCT + "source", ["i", origin]
    for dataset in form.trained_on:
        yield uri, IT6 + "trainedOn", ["i", dataset]
    if form.intended_use:
        yield uri, IT6 + "intendedUse", _text(form.intended_use, form.language)
    yield from _people(uri, form)
    yield from _files(uri, form)


def _files(uri: str, form: PublicationForm) -> Iterator[Triple]:
    for number, file in enumerate(form.files, 1):
        name = f"{uri}#file-{number}"
        yield uri, DCAT + "distribution", ["i", name]
        yield name, RDF + "type", ["i", DCAT + "Distribution"]
        yield name, DCT + "title", _text(file.title, form.language)
        yield name, DCAT + "accessURL", ["i", file.access_url]
        yield name, DCT + "license", ["i", form.licence]
        if file.download_url:
            yield name, DCAT + "downloadURL", ["i", file.download_url]
        if file.format:
            yield name, DCT + "format", ["i", f"{vocabularies.AUTHORITY}file-type/{file.format}"]
        if file.bytes is not None:
            yield name, DCAT + "byteSize", _literal(str(file.bytes), "nonNegativeInteger")
        if file.sha256:
            checksum = f"{name}-checksum"
            yield name, SPDX + "checksum", ["i", checksum]
            yield checksum, RDF + "type", ["i", SPDX + "Checksum"]
            yield checksum, SPDX + "algorithm", ["i", SPDX + "checksumAlgorithm_sha256"]
            yield checksum, SPDX + "checksumValue", _literal(file.sha256, "hexBinary")


def _people(uri: str, form: PublicationForm) -> Iterator[Triple]:
    publisher, contact = f"{uri}#publisher", f"{uri}#contact"
    yield uri, DCT + "publisher", ["i", publisher]
    yield publisher, RDF + "type", ["i", FOAF + "Agent"]
    yield publisher, FOAF + "name", _text(form.publisher, form.language)
    yield uri, DCAT + "contactPoint", ["i", contact]
    yield contact, RDF + "type", ["i", VCARD + "Kind"]
    yield contact, VCARD + "fn", _text(form.publisher, form.language)
    yield contact, VCARD + "hasEmail", ["i", f"mailto:{form.contact}"]


def _text(text: str, language: str | None = None) -> list[Any]:
    return ["l", dcat.clean(text), language, None]


def _literal(text: str, kind: str) -> list[Any]:
    return ["l", text, None, _XSD + kind]


# -- the catalogue for others -----------------------------------------------------------------------------------------


def negotiated(accept: str) -> str:
    """The media type that an Accept header likes best among :data:`FORMATS`; Turtle when it does not care."""
    wishes = []
    for number, part in enumerate(accept.split(",")):
        name, _, rest = part.strip().partition(";")
        weight = re.search(r"q=([\d.]+)", rest)
        try:
            wishes.append((-float(weight[1]) if weight else -1.0, number, name.strip().lower()))
        except ValueError:
            continue
    for weight_of, _, name in sorted(wishes):
        if name in FORMATS and weight_of < 0:
            return name
        if name == "application/json" and weight_of < 0:
            return "application/ld+json"
    return "text/turtle"


def catalogue_page(session: Session, address: str, site: str, page: int) -> tuple[list[Triple], bool]:
    """Statements of one page of what everybody may see, and whether there is another page.

    :raises NotFound: there is no such page.
    """
    open_ones = (
        select(PublicationRow)
        .join(RecordRow, RecordRow.id == PublicationRow.record_id)
        .where(RecordRow.visibility == Visibility.EVERYBODY, RecordRow.removed.is_(None))
        .order_by(PublicationRow.id)
    )
    rows = session.scalars(open_ones.offset((page - 1) * PAGE).limit(PAGE + 1)).all()
    if not rows and page > 1:
        raise NotFound("The catalogue has no such page.")
    triples = list(_about_catalogue(address, site, page, more=len(rows) > PAGE))
    for row in rows[:PAGE]:
        uri = f"{address}/{row.slug}"
        triples.append((address, DCAT + "dataset", ["i", uri]))
        form = PublicationForm.model_validate_json(row.form)
        triples += _triples(uri, form, row.created, row.modified)
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
    return list(_triples(f"{address}/{slug}", form, row.created, row.modified))


def _about_catalogue(address: str, site: str, page: int, *, more: bool) -> Iterator[Triple]:
    yield address, RDF + "type", ["i", DCAT + "Catalog"]
    yield address, DCT + "title", _text(f"{site}: what its projects share", "en")
    yield address, DCT + "description", _text("Data and models made by the projects of this AI factory.", "en")
    yield address, DCT + "publisher", ["i", f"{address}#publisher"]
    yield f"{address}#publisher", RDF + "type", ["i", FOAF + "Agent"]
    yield f"{address}#publisher", FOAF + "name", _text(site, "en")
    view = f"{address}?page={page}"
    yield view, RDF + "type", ["i", _HYDRA + "PartialCollectionView"]
    yield address, _HYDRA + "view", ["i", view]
    if more:
        yield view, _HYDRA + "next", ["i", f"{address}?page={page + 1}"]


def written(triples: Sequence[Triple], media_type: str) -> bytes:
    """Statements in one of :data:`FORMATS`."""
    parsed = ox.parse(shacl.triples(triples), format=ox.RdfFormat.N_TRIPLES)
    found = ox.serialize((quad.triple for quad in parsed), format=FORMATS[media_type], prefixes=_PREFIXES)
    assert found is not None  # noqa: S101
    return found
