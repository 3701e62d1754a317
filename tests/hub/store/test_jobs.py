"""The worker: uploads are checked and stored whatever interrupts it, and only what nothing uses is deleted."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hub.store import service
from hub.store.files import StoreFiles
from hub.store.tables import ObjectRow, ReferenceRow, UploadRow
from tests.hub.store.conftest import CONTENT, sha256

OWNER = {"owner": "publication/a", "project": "demo", "person": "founder", "digests": [sha256(CONTENT)]}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["close", "sha256_of", "store", "uploads"])
def test_a_worker_that_is_killed_loses_nothing(uploads, monkeypatch, step, when):
    upload = uploads.arrive()
    run = getattr(StoreFiles, step)

    def killed(*arguments):
        if when == "after":
            run(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StoreFiles, step, killed)
        with pytest.raises(Killed):
            uploads.tend()
    uploads.tend()
    assert uploads.row(upload).state == "stored"
    assert uploads.files.object_path(sha256(CONTENT)).read_bytes() == CONTENT
    assert uploads.files.uploads() == set()


def test_a_row_is_there_before_its_file(uploads, session, monkeypatch):
    uploads.arrive()
    rows = []
    store = StoreFiles.store

    def looked_at(files, upload, digest):
        rows.extend(session.scalars(select(ObjectRow.sha256)))
        store(files, upload, digest)

    monkeypatch.setattr(StoreFiles, "store", looked_at)
    uploads.tend()
    assert rows == [sha256(CONTENT)]


def test_an_upload_that_cannot_be_read_does_not_hold_up_the_others(uploads, monkeypatch):
    first, second = uploads.arrive(), uploads.arrive(b"other")
    read = StoreFiles.sha256_of

    def unreadable(files, upload):
        if upload == first:
            raise OSError("the disk")
        return read(files, upload)

    with monkeypatch.context() as patch:
        patch.setattr(StoreFiles, "sha256_of", unreadable)
        uploads.tend()
    assert (uploads.row(first).state, uploads.row(second).state) == ("checking", "stored")
    uploads.tend()
    assert uploads.row(first).state == "stored"


def test_a_file_that_nothing_refers_to_is_deleted_after_a_day(uploads, session, later):
    upload = uploads.store()
    later(23)
    uploads.tend()
    assert uploads.files.object_path(sha256(CONTENT)).exists()
    later(2)
    uploads.tend()
    assert uploads.row(upload) is None
    assert not uploads.files.object_path(sha256(CONTENT)).exists()
    assert session.scalars(select(ObjectRow)).all() == []


def test_a_file_that_is_referred_to_stays_and_goes_a_day_after_its_last_reference(uploads, session, later):
    uploads.store()
    service.refer(session, **OWNER)
    service.refer(session, **OWNER | {"owner": "publication/b"})
    session.commit()
    later(1000)
    uploads.tend()
    assert uploads.files.object_path(sha256(CONTENT)).exists()
    service.release(session, "publication/a")
    session.commit()
    later(25)
    uploads.tend()
    assert uploads.files.object_path(sha256(CONTENT)).exists(), "another publication has it"
    service.release(session, "publication/b")
    session.commit()
    uploads.tend()
    assert uploads.files.object_path(sha256(CONTENT)).exists(), "it may be published anew within a day"
    later(25)
    uploads.tend()
    assert not uploads.files.object_path(sha256(CONTENT)).exists()
    assert session.scalars(select(ReferenceRow)).all() == []


def test_what_somebody_else_has_uploaded_stays(uploads, session, later):
    uploads.store()
    later(25)
    uploads.store(person="colleague")
    assert [row.person for row in session.scalars(select(UploadRow))] == ["colleague"]
    assert uploads.files.object_path(sha256(CONTENT)).read_bytes() == CONTENT


def test_a_sweep_that_is_killed_goes_on(uploads, session, later, monkeypatch):
    uploads.store()
    later(25)
    remove = StoreFiles.remove

    def killed(files, digest):
        remove(files, digest)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StoreFiles, "remove", killed)
        with pytest.raises(Killed):
            uploads.tend()
    uploads.store()
    assert uploads.files.object_path(sha256(CONTENT)).read_bytes() == CONTENT, "uploaded anew after the file was gone"


def test_uploads_that_are_not_continued_or_have_failed_are_deleted(uploads, later):
    unfinished = uploads.begin().id
    failed = uploads.arrive(b"other", stated=b"OTHER")
    uploads.tend()
    later(100)
    uploads.tend()
    assert uploads.row(unfinished) is not None
    assert uploads.row(failed) is None
    later(100)
    uploads.tend()
    assert uploads.row(unfinished) is None
    assert uploads.files.uploads() == set()


def test_a_file_without_an_upload_is_deleted(uploads):
    uploads.begin()
    uploads.files.begin(99)
    uploads.tend()
    assert 99 not in uploads.files.uploads()
    assert len(uploads.files.uploads()) == 1


@pytest.mark.parametrize("error", [ValueError, OSError, KeyError])
def test_whatever_an_upload_fails_with_the_others_are_stored(uploads, monkeypatch, error):
    first, second = uploads.arrive(), uploads.arrive(b"other")
    close = StoreFiles.close

    def broken(files, upload):
        if upload == first:
            raise error("the file")
        close(files, upload)

    monkeypatch.setattr(StoreFiles, "close", broken)
    uploads.tend()
    assert (uploads.row(first).state, uploads.row(second).state) == ("checking", "stored")


def test_a_file_that_cannot_be_deleted_keeps_no_other(uploads, session, later, monkeypatch):
    contents = sorted((b"one", b"two"), key=sha256)
    for content in contents:
        uploads.store(content)
    later(25)
    remove = StoreFiles.remove

    def broken(files, digest):
        if digest == sha256(contents[0]):
            raise PermissionError(digest)
        remove(files, digest)

    monkeypatch.setattr(StoreFiles, "remove", broken)
    uploads.tend()
    assert list(session.scalars(select(ObjectRow.sha256))) == [sha256(contents[0])]


def test_remains_of_an_upload_that_cannot_be_deleted_keep_no_other(uploads, session, later, monkeypatch):
    uploads.store()
    first, second = uploads.begin(b"1").id, uploads.begin(b"2").id
    later(24 * 365)
    discard = StoreFiles.discard

    def broken(files, upload):
        if upload == first:
            raise PermissionError(upload)
        discard(files, upload)

    monkeypatch.setattr(StoreFiles, "discard", broken)
    uploads.tend()
    assert uploads.files.uploads() == {first}
    assert list(session.scalars(select(ObjectRow))) == [], "objects are swept nevertheless"
    assert uploads.row(second) is None
