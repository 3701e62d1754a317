"""One record, if a person may see it, and one of its files, if they may use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.audit import service as audit
from hub.dataspace import local_files
from hub.dataspace.memberships import party_identifiers
from hub.dataspace.metadata import odrl, usability, vocabularies
from hub.dataspace.models import (
    Acceptance,
    Distribution,
    LocalFile,
    Quality,
    Record,
    RecordPage,
    Use,
    UseForm,
    Verdict,
    Visibility,
)
from hub.dataspace.publications.stored_files import address_of, digest_in, owner_of
from hub.dataspace.publications.tables import PublicationRow
from hub.dataspace.sources.models import SourceForm
from hub.dataspace.sources.tables import SourceRow
from hub.dataspace.tables import RecordRow
from hub.db.base import now
from hub.errors import AtriumError, InvalidInput, NotAllowed, NotFound, TermsNotAccepted
from hub.settings import Settings
from hub.store import service as store
from hub.store.files import StoreFiles


def row_for(session: Session, record_id: int, projects: frozenset[str]) -> RecordRow:
    """A record that a member of ``projects`` may see; raises :class:`NotFound` also for one that they may not see."""
    row = session.get(RecordRow, record_id)
    hidden = row is not None and row.visibility == Visibility.PROJECT and row.project not in projects
    if row is None or row.removed is not None or hidden:
        raise NotFound("There is no such record.", hint="Its catalogue may have removed it: search again.")
    return row


def record_page(
    session: Session,
    record_id: int,
    projects: frozenset[str],
    language: str,
    *,
    person: str,
    folders: Sequence[Path] = (),
) -> RecordPage:
    """Everything about one record, with labels in the reader's language and what they may do with it.

    :param folders: folders of the settings that sources may be read from.
    """
    row = row_for(session, record_id, projects)
    record = Record.model_validate_json(row.content)
    parties = party_identifiers(session, person)
    source = session.get(SourceRow, row.source_id) if row.source_id is not None else None
    codes = {("sector", code) for code in record.themes} | {("language", code) for code in record.languages}
    codes |= {("licence", record.licence.kind.value), ("access", record.access.value)}
    return RecordPage(
        id=row.id,
        record=record,
        paths=tuple(_path(source, file, folders) for file in record.distributions),
        stored=tuple(bool(stored_digest(session, row, file)) for file in record.distributions),
        space=row.space,
        source=source.name if source else "",
        harvested=row.changed,
        visibility=row.visibility,
        project=row.project,
        sentences=odrl.sentences(odrl.every_policy(record), odrl.Reader(_assets(record), parties)),
        usable=usability.usable_now(record, parties),
        uses=usability.uses(record, parties),
        quality=Quality.model_validate_json(row.quality) if row.quality else None,
        labels={code: vocabularies.facet_label(facet, code, language) for facet, code in sorted(codes)},
    )


def _assets(record: Record) -> frozenset[str]:
    """Addresses of a record and its files, by which its policies may name them."""
    files = (address for file in record.distributions for address in (file.uri, file.download_url, file.access_url))
    return frozenset(filter(None, (record.uri, *files)))


def distribution(record: Record, number: int) -> Distribution:
    """One of a record's files, counted from 0. Raises NotFound."""
    if not 0 <= number < len(record.distributions):
        raise NotFound("The record has no such file.")
    return record.distributions[number]


def usable_file(
    session: Session, record_id: int, projects: frozenset[str], person: str, form: UseForm, *, once: bool = False
) -> tuple[Distribution, Acceptance | None]:
    """A file that a person may use, and the conditions that they have accepted, if there are any.

    What was accepted goes into the audit trail; the caller commits.

    :param person: "" for somebody without an account, whose acceptance nobody could prove; it is not stored.
    :param once: what the person has accepted before is not stored again.
    :raises NotFound: the record may not be seen, or has no such file.
    :raises NotAllowed: it may not be used; the message says why.
    :raises InvalidInput: it is not public, so it cannot be fetched.
    :raises TermsNotAccepted: it has conditions that the person has not accepted, or that have changed since.
    """
    record = Record.model_validate_json(row_for(session, record_id, projects).content)
    file = distribution(record, form.file)
    use = _permitted_use(usability.uses(record, party_identifiers(session, person))[form.file], form)
    if use.verdict != Verdict.ASK:
        return file, None
    acceptance = Acceptance(by=person, at=now(), digest=use.digest, offer=use.offer, conditions=use.conditions)
    after = {"file": form.file, **acceptance.model_dump(mode="json", exclude={"by", "at"})}
    event: dict[str, Any] = {"who": person, "what": "data terms accepted", "on": f"record/{record_id}"}
    if person and not (once and after in audit.values_after(session, **event)):
        audit.record(session, **event, after=after)
    return file, acceptance


def _permitted_use(alternatives: Iterable[Use], form: UseForm) -> Use:
    """The offer that a person has chosen: by its name, by the digest that they accept, or as the only one."""
    uses = [use for use in alternatives if not form.offer or use.offer == form.offer]
    if not uses:
        raise TermsNotAccepted.of("There is no such offer any more.", map(_choice, alternatives))
    permitted = [use for use in uses if not use.refusal]
    if not permitted:
        raise _refusal(uses[0])
    accepted = next((use for use in permitted if use.digest == form.accepted), None)
    if accepted or (len(uses) == 1 and permitted[0].verdict == Verdict.YES):
        return accepted or permitted[0]
    raise TermsNotAccepted.of(_question(permitted, changed=bool(form.accepted)), map(_choice, permitted))


def _refusal(use: Use) -> AtriumError:
    if use.verdict == Verdict.NO:
        return NotAllowed(use.refusal, hint="Read its conditions on the record's page.")
    return InvalidInput(f"This data is not public. {use.refusal}", hint="The contact is on the record's page.")


def _question(uses: list[Use], *, changed: bool) -> str:
    if len(uses) > 1:
        return f"There are {len(uses)} offers with different conditions: choose one of them."
    opening = "The conditions have changed. " if changed else ""
    return opening + " ".join(uses[0].conditions or (uses[0].reason,))


def _choice(use: Use) -> dict[str, object]:
    return use.model_dump(mode="json", include={"offer", "verdict", "reason", "conditions", "digest"})


# -- files of this machine --------------------------------------------------------------------------------------------


def stored_digest(session: Session, row: RecordRow, file: Distribution) -> str:
    """SHA-256 of the file of the store that a distribution stands for; empty if it stands for none.

    An address alone is not enough: the publication must refer to the object.
    """
    sha256 = digest_in(file.download_url, row.uri) if row.source_id is None else ""
    return sha256 if sha256 and store.is_referred(session, owner_of(row.uri), sha256) else ""


def record_of_publication(session: Session, slug: str, projects: frozenset[str] | None) -> RecordRow:
    """The record of a publication that a member of ``projects`` may see; None: somebody without an account.

    :raises NotFound: there is none, or they may not see it.
    """
    record_id = session.scalar(select(PublicationRow.record_id).where(PublicationRow.slug == slug))
    row = session.get(RecordRow, record_id) if record_id is not None else None
    visible = {Visibility.EVERYBODY} if projects is None else set(Visibility)
    if row is None or row.visibility not in visible:
        raise _no_file(projects)
    try:
        return row_for(session, row.id, projects or frozenset())
    except NotFound:
        raise _no_file(projects) from None


def stored_file(session: Session, row: RecordRow, sha256: str, name: str) -> tuple[int, Distribution]:
    """Number and description of the file of a record with this content and name; raises :class:`NotFound`."""
    address = address_of(row.uri, sha256, name)
    for number, file in enumerate(Record.model_validate_json(row.content).distributions):
        if file.download_url == address and stored_digest(session, row, file):
            return number, file
    raise _no_file(frozenset())


def _no_file(projects: frozenset[str] | None) -> NotFound:
    hint = "Some files need a token: use DataSpace in a notebook." if projects is None else ""
    return NotFound("There is no such file.", hint=hint)


def readable_file(session: Session, row: RecordRow, file: Distribution, settings: Settings) -> LocalFile | None:
    """The file that the API's own account reads for a distribution; None if it has to be fetched.

    :raises LocalFileRefused: it names a file of this machine that may not be read.
    """
    if sha256 := stored_digest(session, row, file):
        path = StoreFiles(settings).object_path(sha256)
        return LocalFile(folder=str(path.parent), name=path.name)
    return local_file(session, row, file, settings.dataspace.folders)


def local_file(session: Session, row: RecordRow, file: Distribution, folders: Sequence[Path]) -> LocalFile | None:
    """The file of this machine that a distribution of a record names; None if it names none.

    :raises LocalFileRefused: it names one that may not be read.
    """
    return _local_file(session.get(SourceRow, row.source_id) if row.source_id is not None else None, file, folders)


def _local_file(source: SourceRow | None, file: Distribution, folders: Sequence[Path]) -> LocalFile | None:
    if source is None or not file.download_url:
        return None
    form = SourceForm.model_validate_json(source.form)
    return local_files.named_by(file.download_url, source=form.name, folder=form.files, allowed=folders)


def _path(source: SourceRow | None, file: Distribution, folders: Sequence[Path]) -> str:
    try:
        local = _local_file(source, file, folders)
    except local_files.LocalFileRefused:
        return ""
    return local.path if local else ""
