"""A file of a project is published: uploaded, described, and read by those who may see its record, and nobody else."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from hub.audit.tables import EventRow
from hub.client import Api
from hub.dataspace.publications.models import PublicationForm, PublishedFile
from hub.dataspace.publications.stored_files import media_type
from hub.dataspace.transfers import jobs, node, upload
from hub.dataspace.transfers.models import (
    ApiAccess,
    TransferForm,
    TransferKind,
    TransferSpec,
    UploadJobForm,
    UploadSpec,
)
from hub.dataspace.transfers.tables import TransferRow
from hub.errors import AtriumError, InvalidInput, NotFound, TermsNotAccepted
from hub.projects.models import ProjectSpec
from hub.store import job_tokens
from hub.store.job_tokens import Grant
from hub.store.models import JOB_TOKEN_VARIABLE
from tests.hub.dataspace.conftest import Reply
from tests.hub.dataspace.transfers.test_service import Cluster
from tests.hub.fakes import URL, Through, provision
from tests.hub.store.conftest import Uploads, sha256

pytestmark = pytest.mark.process

ROWS = b"year,flow\n" + b"".join(b"%d,%d\n" % (1871 + at, 1000 + at) for at in range(100))
OTHERS = b"a file of another project"


def form(**more) -> PublicationForm:
    fields = {
        "project": "demo",
        "title": "Mean flow",
        "description": "Mean of the annual flow.",
        "publisher": "Demo",
        "contact": "demo@x.example",
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "files": [{"title": "Flow", "stored": sha256(ROWS)}],
    }
    return PublicationForm.model_validate(fields | more)


@pytest.fixture
async def uploads(sessions, settings, session, slurm, project):
    """``founder`` has uploaded ROWS for demo, and ``stranger`` OTHERS for other."""
    spec = ProjectSpec(slug="other", title="Other", account="other", cpu_hours=1, members={"stranger": "lead"})
    await provision(session, slurm, spec)
    uploads = Uploads(sessions, settings)
    uploads.store(ROWS)
    started = uploads.begin(OTHERS, "stranger", project="other")
    uploads.send(started.id, 0, OTHERS)
    uploads.finish(started.id)
    uploads.tend()
    return uploads


@pytest.fixture
def of(person, uploads):
    """Data spaces in somebody's hands."""
    return lambda name: person(name).dataspace


@pytest.fixture
def get(api, hub, uploads):
    """A request for an address of the site by somebody; "" without a token."""

    def get(address: str, name: str = "", method: str = "GET", **headers):
        if name:
            headers["Authorization"] = f"token {name if name.startswith('job.') else hub.sign_in(name)}"
        return api.request(method, address.partition("/api/")[2], headers=headers)

    return get


def address_of(publication) -> str:
    return publication.form.files[0].download_url


# -- description ------------------------------------------------------------------------------------------------------


def test_a_published_file_has_address_size_checksum_and_type(of, get):
    publication = of("founder").publish(form(visibility="everybody"))
    [file] = publication.form.files
    slug = publication.slug
    assert file.download_url.endswith(f"/catalogue/{slug}/files/{sha256(ROWS)}/mean%20flow.csv")
    assert (file.bytes, file.sha256, file.media_type, file.format) == (len(ROWS), sha256(ROWS), "text/csv", "CSV")
    [shown] = of("colleague").record(publication.record_id).record.distributions
    assert (shown.download_url, shown.access_url) == (file.download_url, file.download_url)
    assert (shown.bytes, shown.checksum.value, shown.media_type) == (len(ROWS), sha256(ROWS), "text/csv")
    turtle = get(f"/api/dataspace/catalogue/{slug}").text
    for statement in (
        f"dcat:downloadURL <{file.download_url}>",
        f"dcat:accessURL <{file.download_url}>",
        f'dcat:byteSize "{len(ROWS)}"',
        "dcat:mediaType <http://www.iana.org/assignments/media-types/text/csv>",
        f'spdx:checksumValue "{sha256(ROWS)}"',
    ):
        assert statement in turtle
    assert publication.quality.badge == "good"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "text/csv"),
        ("a.csv.gz", "application/gzip"),
        ("A.PARQUET", "application/vnd.apache.parquet"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_media_type_is_that_of_the_file_as_it_is(name, expected):
    assert media_type(name) == expected


def test_only_ones_own_uploads_for_the_project_are_published(of, get):
    for name, wrong in (
        ("colleague", form()),
        ("founder", form(files=[{"title": "x", "stored": sha256(OTHERS)}])),
        ("founder", form(files=[{"title": "x", "stored": "0" * 64}])),
    ):
        with pytest.raises(InvalidInput, match="not uploaded this file"):
            of(name).publish(wrong)
    with pytest.raises(ValueError, match="needs an address"):
        PublishedFile(title="x")


def test_the_address_of_a_stored_file_typed_by_hand_leads_to_nothing(of, get):
    """Neither the file of another project below one's own record, nor below theirs."""
    publication = of("founder").publish(form(visibility="everybody", files=[]))
    record = of("founder").record(publication.record_id).record.uri
    typed = f"{record}/files/{sha256(OTHERS)}/x.csv"
    files = [{"title": "x", "access_url": typed, "download_url": typed}]
    publication = of("founder").change_publication(publication.slug, form(visibility="everybody", files=files))
    assert get(typed, "founder").status_code == 404
    assert of("founder").record(publication.record_id).stored == (False,)
    with pytest.raises(AtriumError, match=r"not known|private network"):
        of("founder").preview(publication.record_id)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_file_is_read_whole_in_ranges_and_only_if_it_changed(of, get):
    address = address_of(of("founder").publish(form(visibility="everybody")))
    whole = get(address)
    assert (whole.status_code, whole.content) == (200, ROWS)
    assert whole.headers["etag"] == f'"{sha256(ROWS)}"'
    assert whole.headers["content-type"].startswith("text/csv")
    assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''mean%20flow.csv"
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = get(address, Range="bytes=5-9", **{"If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, ROWS[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(ROWS)}"
    assert get(address, Range="bytes=5-9", **{"If-Range": '"other"'}).content == ROWS
    assert get(address, Range=f"bytes={len(ROWS)}-").status_code == 416
    assert get(address, **{"If-None-Match": whole.headers["etag"]}).status_code == 304
    head = get(address, method="HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(ROWS)))
    assert get(address.replace("mean%20flow.csv", "setup.exe")).status_code == 404, "no other name for it"


def test_who_may_not_see_the_record_gets_the_answer_of_one_that_never_existed(of, get):
    publication = of("founder").publish(form())
    address = address_of(publication)
    never = address.replace(publication.slug, "never-existed")
    assert get(address, "colleague").content == ROWS
    for name in ("stranger", ""):
        hidden = get(address, name)
        assert (hidden.status_code, hidden.json()) == (404, get(never, name).json())
    assert get(address, "stranger", method="HEAD").status_code == 404

    of("founder").change_publication(publication.slug, form(visibility="factory"))
    assert get(address, "stranger").content == ROWS
    assert (get(address).status_code, get(address).json()) == (404, get(never).json())
    assert get(address, "job.x.y").status_code == 401

    of("founder").withdraw(publication.slug)
    for name in ("founder", "colleague", "stranger", ""):
        assert (get(address, name).status_code, get(address, name).json()) == (404, get(never, name).json())


def test_the_records_conditions_hold_for_the_file(of, get, session):
    publication = of("founder").publish(form(visibility="everybody", access="restricted"))
    assert get(address_of(publication), "colleague").status_code == 422
    licence = "https://creativecommons.org/licenses/by-nc/4.0/"
    publication = of("founder").publish(form(visibility="everybody", licence=licence))
    address = address_of(publication)
    assert get(address).status_code == 409
    answer = get(address, "colleague")
    [terms] = answer.json()["error"]["terms"]
    accepted = f"{address}?accepted={terms['digest']}"
    for person in ("colleague", "colleague", ""):
        assert get(accepted, person).content == ROWS
    by = session.scalars(select(EventRow.who).where(EventRow.what == "data terms accepted"))
    assert list(by) == ["colleague"], "once, and nothing of somebody without an account"
    with pytest.raises(TermsNotAccepted):
        of("colleague").preview(publication.record_id)


def test_a_lead_who_has_not_uploaded_the_file_can_change_the_description(of, get, uploads):
    uploads.store(ROWS, "colleague")
    publication = of("colleague").publish(form(title="Flow of colleague"))
    changed = of("founder").change_publication(publication.slug, publication.form.model_copy(update={"version": "2"}))
    assert address_of(changed) == address_of(publication)
    changed = of("founder").change_publication(publication.slug, form(files=[]))
    assert get(address_of(publication), "colleague").status_code == 404


def test_colleagues_see_first_rows_and_get_code_that_works_with_their_token(of):
    publication = of("founder").publish(form())
    preview = of("colleague").preview(publication.record_id)
    assert (preview.columns, preview.rows[0]) == (("year", "flow"), ("1871", "1000"))
    assert of("colleague").record(publication.record_id).stored == (True,)
    code = of("colleague").remote_use(publication.record_id).code
    assert f"DataSpace().fetch({publication.record_id})" in code
    with pytest.raises(NotFound):
        of("stranger").preview(publication.record_id)


# -- jobs: into a project, and out of one -----------------------------------------------------------------------------


@pytest.fixture
def cluster(monkeypatch):
    homes = SimpleNamespace(getpwnam=lambda person: SimpleNamespace(pw_dir=f"/home/{person}"))
    monkeypatch.setattr(jobs, "pwd", homes)
    return Submissions()


class Submissions(Cluster):
    """With the variables of the last job."""

    async def submit(self, script, *, user, environment):
        self.environment = dict(environment)
        return await super().submit(script, user=user, environment=environment)


async def test_a_colleague_brings_the_file_by_a_job_that_may_read_it_alone(
    of, get, cluster, sessions, settings, session, site, tmp_path, monkeypatch
):
    publication = of("founder").publish(form())
    second = of("founder").publish(form(title="Another with it"))
    wish = TransferForm(record_id=publication.record_id, project="demo")
    number = of("colleague").bring(wish).id
    await jobs.follow_transfers(sessions, settings, cluster)
    [script], token = cluster.scripts.values(), cluster.environment[JOB_TOKEN_VARIABLE]
    assert token not in script
    assert "#SBATCH --export=ALL" in script
    assert token not in session.get_one(TransferRow, number).order
    assert get(address_of(publication), token).content == ROWS
    assert get(address_of(second), token).status_code == 403, "of another record"

    encoded = script.split()[-1]
    spec = node.decoded_spec(encoded)
    assert spec.api == ApiAccess(url=settings.api_url)
    path = spec.stored.path
    assert settings.api_url + path == address_of(publication).replace(
        settings.service_url("atrium") + "api", settings.api_url
    )

    def answer(request):
        headers = {"Authorization": request.headers["Authorization"]}
        if "Range" in request.headers:
            headers["Range"] = request.headers["Range"]
        response = get(address_of(publication), **headers)
        return Reply(response.content, response.status_code, {"ETag": response.headers["etag"]})

    site.pages[f"/services/atrium/api{path}"] = answer
    (tmp_path / "demo").mkdir()
    local = {"api": ApiAccess(url=f"{site.url}/services/atrium/api"), "project_directory": str(tmp_path / "demo")}
    monkeypatch.setenv(JOB_TOKEN_VARIABLE, token)
    result = node.run(spec.model_copy(update=local), lambda _: None, pause=lambda _: None)
    assert (result.state, result.verified, result.reason) == ("done", True, "")
    assert (tmp_path / "demo" / result.path).read_bytes() == ROWS
    manifest = json.loads((tmp_path / "demo" / f"{result.path}.manifest.json").read_text())
    assert manifest["source"] == address_of(publication)


async def test_a_token_is_for_who_may_still_see_the_record(of, get, settings, session, project):
    publication = of("founder").publish(form())
    grant = Grant(person="colleague", purpose="download", record=publication.record_id, sha256=sha256(ROWS))
    token = job_tokens.issue(settings, grant)
    assert get(address_of(publication), token).status_code == 200
    upload_token = job_tokens.issue(settings, Grant(person="colleague", purpose="upload", project="demo"))
    assert get(address_of(publication), upload_token).status_code == 403
    next(member for member in project.members if member.person == "colleague").leaving = True
    session.commit()
    assert get(address_of(publication), token).status_code == 404


def test_stored_files_leave_less_room_for_transfers(of, session, settings, project, uploads):
    project.storage_gb = 1
    session.commit()
    publication = of("founder").publish(form())
    transfer = of("colleague").bring(TransferForm(record_id=publication.record_id, project="demo"))
    spec = TransferSpec.model_validate_json(session.get_one(TransferRow, transfer.id).order)
    assert spec.storage_bytes == 10**9 - len(ROWS)


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "demo/results").mkdir(parents=True)
    (tmp_path / "demo/results/mean flow.csv").write_bytes(ROWS + b"2000,1\n")
    return tmp_path / "demo"


async def test_a_file_of_a_project_is_uploaded_by_a_job_of_the_person(
    of, api, cluster, sessions, settings, uploads, directory
):
    transfer = of("colleague").upload(UploadJobForm(project="demo", path="results/mean flow.csv"))
    assert (transfer.kind, transfer.title, transfer.record_id) == (TransferKind.UPLOAD, "mean flow.csv", 0)
    await jobs.follow_transfers(sessions, settings, cluster)
    [script], token = cluster.scripts.values(), cluster.environment[JOB_TOKEN_VARIABLE]
    assert "-m hub.dataspace.transfers.upload " in script
    assert token not in script
    spec = node.decoded(UploadSpec, script.split()[-1])
    assert spec.project_directory == str(settings.paths.projects / "demo")

    store = Api(URL, token, transport=Through(api)).store
    store.pause = lambda _: uploads.tend()
    reports = []
    result = upload.run(spec.model_copy(update={"project_directory": str(directory)}), store, reports.append)
    whole = len(ROWS) + 7
    assert (result.state, result.bytes, result.sha256) == ("done", whole, sha256(ROWS + b"2000,1\n"))
    assert reports[0].total == whole
    cluster.states[100], cluster.log = "COMPLETED", result.model_dump_json()
    await jobs.follow_transfers(sessions, settings, cluster)
    assert of("colleague").transfer(transfer.id).state == "done"
    files = [{"title": "Flow", "stored": result.sha256}]
    assert of("colleague").publish(form(files=files)).form.files[0].name == "mean flow.csv"


@pytest.mark.parametrize("path", ["../other/x", "/etc/passwd", "a/../../b"])
def test_a_path_out_of_the_project_is_refused_before_a_job_is_submitted(of, session, path):
    with pytest.raises(InvalidInput):
        of("founder").upload(UploadJobForm(project="demo", path=path))
    with pytest.raises(NotFound):
        of("founder").upload(UploadJobForm(project="other", path="a"))
    assert session.query(TransferRow).count() == 0


def test_a_link_in_the_project_is_not_followed_by_the_job(of, api, settings, directory):
    (directory / "results/x.csv").symlink_to("/etc/passwd")
    token = job_tokens.issue(settings, Grant(person="founder", purpose="upload", project="demo"))
    spec = UploadSpec(transfer=1, project_directory=str(directory), project="demo", path="results/x.csv")
    result = upload.run(spec, Api(URL, token, transport=Through(api)).store, lambda _: None)
    assert result.state == "failed"
    assert "without links" in result.reason
