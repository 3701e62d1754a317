"""Uploads: part by part, resumed, checked, bounded; and what refers to stored files."""

from __future__ import annotations

import errno
import fcntl

import pytest
from sqlalchemy import select

from hub.audit.tables import EventRow
from hub.errors import Conflict, InvalidInput, NotFound, StorageFull
from hub.store import files as files_module
from hub.store import service
from hub.store.files import StoreFiles
from hub.store.models import PART_BYTES, UploadForm
from hub.store.tables import ReferenceRow
from tests.hub.store.conftest import CONTENT, form, sha256


def test_a_file_is_uploaded_in_parts_checked_and_stored(uploads, session):
    upload = uploads.begin()
    assert (upload.state, upload.received) == ("sending", 0)
    assert uploads.send(upload.id, 0, CONTENT[:PART_BYTES]).received == PART_BYTES
    assert uploads.send(upload.id, PART_BYTES, CONTENT[PART_BYTES : 2 * PART_BYTES]).received == 2 * PART_BYTES
    assert uploads.send(upload.id, 2 * PART_BYTES, CONTENT[2 * PART_BYTES :]).received == len(CONTENT)
    assert uploads.finish(upload.id).state == "checking"
    uploads.tend()
    assert uploads.row(upload.id).state == "stored"
    path = uploads.files.object_path(sha256(CONTENT))
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o777 == uploads.files.folder.stat().st_mode & 0o777 == 0o700
    [event] = session.scalars(select(EventRow).where(EventRow.what == "file uploaded"))
    assert (event.who, event.on, event.after["sha256"]) == ("founder", "project/demo", sha256(CONTENT))


def test_an_upload_that_was_broken_off_goes_on_after_what_has_arrived(uploads):
    upload = uploads.begin()
    uploads.send(upload.id, 0, CONTENT[:PART_BYTES])
    with (uploads.files.folder / f"uploads/{upload.id}.part").open("ab") as file:
        file.write(b"the beginning of a part")
    again = uploads.begin()
    assert (again.id, again.received) == (upload.id, PART_BYTES)
    assert uploads.store() == upload.id
    assert uploads.row(upload.id).state == "stored"


def test_a_part_may_be_sent_again_and_none_may_be_left_out(uploads):
    upload = uploads.begin()
    with pytest.raises(Conflict, match="has 0 bytes"):
        uploads.send(upload.id, PART_BYTES, CONTENT[PART_BYTES : 2 * PART_BYTES])
    uploads.send(upload.id, 0, CONTENT[:PART_BYTES])
    assert uploads.send(upload.id, 0, CONTENT[:PART_BYTES]).received == PART_BYTES
    with pytest.raises(Conflict, match="bytes are missing"):
        uploads.finish(upload.id)


@pytest.mark.parametrize(
    ("offset", "part", "digest"),
    [
        (0, CONTENT[:PART_BYTES], "0" * 64),
        (0, CONTENT[: PART_BYTES - 1], ""),
        (0, CONTENT[: PART_BYTES + 1], ""),
        (1, CONTENT[1 : PART_BYTES + 1], ""),
        (12 * 2**20, b"", ""),
    ],
)
def test_a_part_of_another_content_length_or_place_is_refused(uploads, offset, part, digest):
    upload = uploads.begin()
    with pytest.raises(InvalidInput):
        uploads.send(upload.id, offset, part, digest=digest)
    assert uploads.files.received(upload.id, len(CONTENT)) == 0


def test_a_file_with_another_checksum_than_stated_is_not_stored(uploads):
    changed = CONTENT[:-1] + b"x"
    upload = uploads.arrive(changed, stated=CONTENT)
    uploads.tend()
    row = uploads.row(upload)
    assert row.state == "failed"
    assert "another checksum" in row.reason
    assert not uploads.files.object_path(sha256(CONTENT)).exists()
    assert not uploads.files.object_path(sha256(changed)).exists()
    assert uploads.files.uploads() == set()
    assert uploads.begin().id != upload, "it is uploaded anew"


def test_an_empty_file_is_stored(uploads):
    upload = uploads.store(b"")
    assert uploads.row(upload).state == "stored"


def test_the_same_content_is_stored_once_and_sent_by_everybody(uploads):
    first = uploads.store()
    second = uploads.begin(person="colleague")
    assert (second.state, second.received) == ("sending", 0), "the answer does not tell what others have"
    uploads.store(person="colleague")
    objects = [path for path in (uploads.files.folder / "objects").rglob("*") if path.is_file()]
    assert [path.name for path in objects] == [sha256(CONTENT)]
    assert first != second.id
    assert uploads.begin().id == first


def test_what_is_sent_by_another_process_waits(uploads):
    upload = uploads.begin()
    with (uploads.files.folder / f"uploads/{upload.id}.part").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="Another process"):
            uploads.send(upload.id, 0, CONTENT[:PART_BYTES])


def test_a_part_that_comes_late_changes_nothing(uploads, monkeypatch):
    """It has opened the file before the file was closed, and gets its lock after."""
    upload = uploads.arrive()
    files, lock = uploads.files, fcntl.flock

    def closed_meanwhile(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(files_module.fcntl, "flock", lock)
        files.close(upload)
        lock(descriptor, operation)

    monkeypatch.setattr(files_module.fcntl, "flock", closed_meanwhile)
    with pytest.raises(Conflict, match="no parts any more"):
        files.write(upload, 0, b"x" * PART_BYTES, len(CONTENT))
    with pytest.raises(Conflict, match="no parts any more"):
        uploads.send(upload, 0, CONTENT[:PART_BYTES])
    uploads.tend()
    assert uploads.row(upload).state == "stored"


# -- room -------------------------------------------------------------------------------------------------------------


def test_a_file_larger_than_the_settings_accept_is_refused(uploads, settings):
    limited = settings.store.model_copy(update={"largest_gb": 0.001})
    uploads.settings = settings.model_copy(update={"store": limited})
    with pytest.raises(InvalidInput, match=r"the largest that is accepted has 0\.001 GB"):
        uploads.begin()


def test_files_count_once_against_the_projects_storage(uploads, session, project):
    project.storage_gb = 1
    session.commit()
    uploads.begin(bytes=700_000_000, sha256="a" * 64)
    uploads.begin(bytes=700_000_000, sha256="a" * 64, person="colleague")
    assert service.bytes_of(session, "demo") == 700_000_000
    with pytest.raises(StorageFull, match="The project's storage of 1 GB has no room"):
        uploads.begin(bytes=400_000_000, sha256="b" * 64)


def test_the_same_checksum_with_another_size_counts_by_itself(uploads, session, project):
    project.storage_gb = 1
    session.commit()
    uploads.begin(bytes=700_000_000, sha256="a" * 64)
    with pytest.raises(StorageFull):
        uploads.begin(bytes=700_000_001, sha256="a" * 64)


def test_a_full_disk_is_a_full_storage(uploads, monkeypatch):
    monkeypatch.setattr(StoreFiles, "free_bytes", lambda _: 10**9 + 10 * 2**20)
    uploads.begin()
    with pytest.raises(StorageFull, match="Storage is full"):
        uploads.begin(CONTENT[1:])
    upload = uploads.begin()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module.os, "pwrite", full)
    with pytest.raises(StorageFull) as refusal:
        uploads.send(upload.id, 0, CONTENT[:PART_BYTES])
    assert refusal.value.status == 507


def test_unfinished_uploads_of_a_person_are_limited(uploads, monkeypatch):
    monkeypatch.setattr(service, "AT_ONCE", 1)
    uploads.begin()
    uploads.begin()
    with pytest.raises(Conflict, match="1 uploads of yours"):
        uploads.begin(b"other")
    uploads.begin(b"other", person="colleague")


# -- who --------------------------------------------------------------------------------------------------------------


def test_only_members_upload_for_a_project_and_only_while_they_are(uploads, session, project):
    with pytest.raises(NotFound):
        uploads.begin(person="stranger")
    upload = uploads.begin(person="colleague")
    service.row_for(session, "colleague", upload.id)
    with pytest.raises(NotFound):
        service.row_for(session, "founder", upload.id)
    next(member for member in project.members if member.person == "colleague").leaving = True
    session.commit()
    with pytest.raises(NotFound):
        service.row_for(session, "colleague", upload.id)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\nb", "\u202egnp.exe", " a", "x" * 151, "a\x00b"])
def test_a_name_is_one_visible_part_of_a_path(name):
    with pytest.raises(ValueError, match="name"):
        UploadForm.model_validate(form().model_dump() | {"name": name})


# -- references -------------------------------------------------------------------------------------------------------


def refer(session, person: str = "founder", *, owner: str = "publication/a", project: str = "demo", content=CONTENT):
    digests = {sha256(content)} if content is not None else set()
    reference = {"owner": owner, "project": project, "person": person, "digests": digests}
    files = service.referable(session, **reference)
    service.refer(session, **reference)
    return files


def test_a_checksum_alone_gives_nothing(uploads, session):
    uploads.store()
    for person, project in (("colleague", "demo"), ("founder", "other")):
        with pytest.raises(InvalidInput, match="not uploaded this file"):
            refer(session, person, project=project)
        digests = {"digests": {sha256(CONTENT)}, "person": person, "project": project}
        with pytest.raises(InvalidInput, match="not uploaded this file"):
            service.refer(session, owner="publication/a", **digests)
        session.rollback()
    uploads.arrive(person="colleague")
    with pytest.raises(InvalidInput, match="not uploaded this file"):
        refer(session, "colleague")  # what they have sent is not checked yet
    assert session.scalars(select(ReferenceRow)).all() == []


def test_what_is_referred_to_needs_no_new_upload(uploads, session):
    uploads.store()
    [stored] = refer(session).values()
    assert (stored.name, stored.bytes) == ("mean flow.csv", len(CONTENT))
    session.commit()
    assert refer(session, "colleague").keys() == {sha256(CONTENT)}
    with pytest.raises(InvalidInput):
        refer(session, "colleague", owner="publication/b")
    assert refer(session, "colleague", content=None) == {}
    assert not service.is_referred(session, "publication/a", sha256(CONTENT))
