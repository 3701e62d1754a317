"""The client against the API: uploads that go on, and requests that are repeated; and who may send them."""

from __future__ import annotations

import io
import time

import httpx2
import pytest

from hub.client import Api
from hub.errors import AtriumError, HubUnavailable, InvalidInput, NotAllowed, NotFound, NotSignedIn
from hub.store import job_tokens
from hub.store.job_tokens import Grant
from hub.store.models import PART_BYTES
from tests.hub.fakes import URL, Through
from tests.hub.store.conftest import CONTENT, form, sha256


class Shaky(httpx2.BaseTransport):
    """Requests to the app; those of ``lost`` arrive without their answer, and all of ``down`` do not arrive."""

    def __init__(self, api) -> None:
        self.through = Through(api)
        self.requests: list[str] = []
        self.lost: set[int] = set()
        self.down: set[int] = set()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(f"{request.method} {request.url.params.get('offset', request.url.path.split('/')[-1])}")
        number = len(self.requests)
        if number in self.down:
            return httpx2.Response(503)
        response = self.through.handle_request(request)
        if number in self.lost:
            raise httpx2.ReadError("broken off")
        return response


@pytest.fixture
def transport(api):
    return Shaky(api)


@pytest.fixture
def store(uploads, hub, transport):
    """Of founder; the worker works in the pauses."""
    store = Api(URL, hub.sign_in("founder"), transport=transport).store
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        uploads.tend()

    store.pause = pause
    store.pauses = pauses
    return store


def upload(store, content: bytes = CONTENT, **more):
    return store.upload(io.BytesIO(content), project="demo", name="a.csv", **more)


def test_a_file_is_uploaded_and_its_progress_reported(store, uploads):
    sent = []
    stored = upload(store, report=lambda *progress: sent.append(progress))
    assert (stored.state, stored.sha256, stored.name) == ("stored", sha256(CONTENT), "a.csv")
    whole = len(CONTENT)
    assert sent == [(0, whole), (PART_BYTES, whole), (2 * PART_BYTES, whole), (whole, whole)]
    assert [entry.id for entry in store.uploads()] == [stored.id]


def test_an_upload_goes_on_where_another_process_was_killed(store, uploads, transport):
    started = uploads.begin()
    uploads.send(started.id, 0, CONTENT[:PART_BYTES])
    assert upload(store).id == started.id
    assert [request for request in transport.requests if request.startswith("PUT")] == [
        f"PUT {PART_BYTES}",
        f"PUT {2 * PART_BYTES}",
    ]


def test_requests_are_repeated_while_atrium_does_not_answer(store, transport):
    transport.down, transport.lost = {1, 4, 5}, {3, 8}
    assert upload(store).state == "stored"
    assert store.pauses[:1] == [1]


def test_an_upload_ends_when_atrium_stays_away(store, transport):
    transport.down = set(range(2, 100))
    with pytest.raises(HubUnavailable):
        upload(store)
    assert sum(store.pauses) > 120


def test_a_file_that_changes_meanwhile_is_not_stored(store):
    class Growing(io.BytesIO):
        def read(self, size=-1):
            data = super().read(size)
            return data.replace(b"\x01", b"\x02") if size == PART_BYTES else data

    with pytest.raises(AtriumError, match="changed meanwhile"):
        store.upload(Growing(CONTENT), project="demo", name="a.csv")

    class Shorter(io.BytesIO):
        def read(self, size=-1):
            return super().read(size)[:-1] if size == PART_BYTES else super().read(size)

    with pytest.raises(AtriumError, match="became shorter"):
        store.upload(Shorter(CONTENT + b"x"), project="demo", name="a.csv")


# -- who --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(api, settings, uploads):
    """The client of a job with such a token."""

    def job(token: str = "", **grant):
        fields = {"person": "founder", "purpose": "upload", "project": "demo"} | grant
        return Api(URL, token or job_tokens.issue(settings, Grant(**fields)), transport=Through(api)).store

    return job


def test_a_job_uploads_for_its_person_and_its_project_alone(job, uploads, hub):
    store = job()
    store.pause = lambda _: uploads.tend()
    assert upload(store, b"small").state == "stored"
    other = uploads.begin(b"of colleague", person="colleague")
    with pytest.raises(NotFound):
        store.get(other.id)
    with pytest.raises(NotAllowed, match="another project"):
        store.begin(form(project="other"))
    with pytest.raises(NotFound):
        job(person="stranger").begin(form())
    own = uploads.begin(b"of founder")
    with pytest.raises(NotFound):
        job(project="other").get(own.id)
    with pytest.raises(NotAllowed):
        job(purpose="download").begin(form())
    assert hub.requested_paths == [], "the Hub does not know these tokens"
    with pytest.raises(NotSignedIn):
        store.uploads()  # of the person's other projects, too


def test_a_token_that_is_changed_or_has_ended_is_refused(job, settings, hub):
    grant = Grant(person="founder", purpose="upload", project="demo")
    token = job_tokens.issue(settings, grant)
    assert job_tokens.verified(settings, token) == grant
    assert settings.secret("atrium") not in token
    claims, signature = token.removeprefix("job.").split(".")
    ended = job_tokens.issue(settings, grant, now=time.time() - 8 * 24 * 3600)
    others = job_tokens.issue(settings, Grant(person="stranger", purpose="upload", project="demo"))
    swapped = f"job.{others.split('.')[1]}.{signature}"
    for wrong in (
        f"job.{claims}.{signature[:-1]}",
        f"job.{claims}",
        "job..",
        "job.",
        f"job.x{claims}.{signature}",
        ended,
        swapped,
    ):
        with pytest.raises(NotSignedIn):
            job(wrong).begin(form())


def test_requests_without_a_token_or_of_a_service_are_refused(api, hub, uploads):
    upload = uploads.begin()
    paths = [("POST", "/store/uploads"), ("GET", f"/store/uploads/{upload.id}"), ("GET", "/store/uploads")]
    paths += [("POST", f"/store/uploads/{upload.id}/finish"), ("PUT", f"/store/uploads/{upload.id}/content")]
    for method, path in paths:
        query = "?offset=0&sha256=" + "0" * 64 if method == "PUT" else ""
        body = form().model_dump(mode="json") if path.endswith("uploads") and method == "POST" else None
        assert api.request(method, path + query, json=body).status_code == 401, path
        service = {"Authorization": f"token {hub.sign_in('pages', kind='service')}"}
        assert api.request(method, path + query, json=body, headers=service).status_code == 403, path


def test_a_part_that_is_too_long_is_refused(store, uploads, api, hub):
    started = uploads.begin()
    with pytest.raises(InvalidInput):
        store.write_part(started.id, 0, CONTENT[: PART_BYTES + 1])
    headers = {"Authorization": f"token {hub.sign_in('founder')}"}
    path = f"/store/uploads/{started.id}/content?offset=0&sha256={'0' * 64}"
    assert api.put(path, content=b"x" * (9 * 2**20), headers=headers).status_code == 413
