"""Transfer of a file into a project's storage: success, quarantine and refusals."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from hub.dataspace import fetch
from hub.dataspace.models import Checksum
from hub.dataspace.transfers import node
from hub.dataspace.transfers.jobs import last_progress
from hub.dataspace.transfers.models import Progress, TransferSpec, TransferState
from hub.dataspace.transfers.service import file_name, folder_name
from hub.dataspace.transfers.storage import TransferFailed
from tests.hub.dataspace.conftest import Reply, SiteRequest

BODY = b"a,b\n" + b"1,2\n" * 50_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project_directory = tmp_path / "demo"
    project_directory.mkdir()
    return project_directory


@pytest.fixture
def order(project: Path, site):
    def order(path: str = "/a.csv", **more) -> TransferSpec:
        defaults = {
            "transfer": 7,
            "project_directory": str(project),
            "folder": "air-1",
            "name": "a.csv",
            "address": f"{site.url}{path}",
            "format": "CSV",
            "allowed_hosts": ("127.0.0.1",),
            "record": "https://x.example/1",
            "title": "Air",
            "licence": "https://creativecommons.org/licenses/by/4.0/",
            "person": "founder",
        }
        return TransferSpec.model_validate(defaults | more)

    return order


def run(order: TransferSpec) -> Progress:
    reports: list[Progress] = []
    last = node.run(order, reports.append, pause=lambda _: None)
    assert reports[-1] == last
    return last


def data(project: Path) -> list[str]:
    """What is among the data, hidden files aside."""
    return sorted(path.name for path in project.glob("data/*/*") if not path.name.startswith("."))


def test_a_file_arrives_with_manifest_and_notebook(order, project, site):
    site.pages["/a.csv"] = Reply(BODY)
    last = run(node.decoded_spec(node.encoded_spec(order())))

    sha256 = hashlib.sha256(BODY).hexdigest()
    assert (last.state, last.bytes, last.sha256, last.verified) == ("done", len(BODY), sha256, False)
    assert (project / last.path).read_bytes() == BODY
    manifest = json.loads((project / f"{last.path}.manifest.json").read_text())
    assert (manifest["sha256"], manifest["source"], manifest["verified"]) == (sha256, f"{site.url}/a.csv", False)
    assert manifest["licence"].startswith("https://creativecommons.org/")
    assert manifest["conditions accepted"] is None
    notebook = json.loads((project / last.notebook).read_text())
    assert f'duckdb.read_csv("{project}/data/air-1/a.csv")' in notebook["cells"][1]["source"]
    assert [path.name for path in (project / "data/air-1").glob(".*")] == []


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [("sha256", hashlib.sha256(BODY).hexdigest()), ("SHA-512", hashlib.sha512(BODY).hexdigest().upper())],
)
def test_a_right_checksum_is_reported(order, site, algorithm, value):
    site.pages["/a.csv"] = Reply(BODY)
    assert run(order(checksum=Checksum(algorithm=algorithm, value=value))).verified


def test_a_checksum_nobody_knows_verifies_nothing(order, site):
    site.pages["/a.csv"] = Reply(BODY)
    last = run(order(checksum=Checksum(algorithm="crc7", value="00")))
    assert (last.state, last.verified) == ("done", False)


def test_a_wrong_checksum_goes_to_quarantine_and_never_to_the_data(order, project, site):
    site.pages["/a.csv"] = Reply(BODY)
    last = run(order(checksum=Checksum(algorithm="sha256", value="0" * 64)))
    assert (last.state, last.path) == ("quarantined", "quarantine/7-a.csv")
    assert (project / last.path).read_bytes() == BODY
    assert data(project) == []


def test_a_broken_download_resumes_where_it_stopped(order, project, site):
    half = len(BODY) // 2

    def reply(site_request: SiteRequest) -> Reply:
        byte_range = site_request.headers.get("Range")
        if byte_range is None:
            return Reply(BODY[:half], headers={"ETag": '"1"', "Content-Length": str(len(BODY))})
        assert site_request.headers["If-Range"] == '"1"'
        start = int(byte_range.removeprefix("bytes=").removesuffix("-"))
        part = {"ETag": '"1"', "Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
        return Reply(BODY[start:], status=206, headers=part)

    site.pages["/a.csv"] = reply
    last = run(order())
    assert (project / last.path).read_bytes() == BODY
    assert [site_request.headers.get("Range") for site_request in site.requests] == [None, f"bytes={half}-"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(order, project, site):
    again = order()
    folder = project / "data/air-1"
    folder.mkdir(parents=True)
    (folder / node.part_name(again)).write_bytes(b"old")
    (folder / f"{node.part_name(again)}.tag").write_text('"0"')
    site.pages["/a.csv"] = Reply(BODY, headers={"ETag": '"1"'})
    last = run(again)
    assert site.requests[0].headers["Range"] == "bytes=3-"
    assert (project / last.path).read_bytes() == BODY


def test_another_file_of_the_name_is_not_written_over(order, project, site):
    folder = project / "data/air-1"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("mine")
    site.pages["/a.csv"] = Reply(BODY)
    last = run(order())
    assert (folder / "a.csv").read_text() == "mine"
    assert last.path == f"data/air-1/a-{hashlib.sha256(BODY).hexdigest()[:8]}.csv"
    assert run(order()).path == last.path, "the same content is the same file"


@pytest.mark.parametrize("place", ["data", "data/air-1"])
def test_folders_that_are_links_are_not_followed(order, project, tmp_path, site, place):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / place).parent.mkdir(exist_ok=True)
    (project / place).symlink_to(elsewhere)
    site.pages["/a.csv"] = Reply(BODY)
    assert run(order()).state == "failed"
    assert list(elsewhere.iterdir()) == []


def test_a_link_in_place_of_the_file_is_not_followed(order, project, tmp_path, site):
    folder = project / "data/air-1"
    folder.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / node.part_name(order())).symlink_to(victim)
    site.pages["/a.csv"] = Reply(BODY)
    assert run(order()).state == "failed"
    assert victim.read_text() == "precious"


def test_archives_stay_packed(order, project, tmp_path, site):
    """A tar with a path that climbs out and a link: it is a file among others."""
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        climbing = tarfile.TarInfo("../../climbed")
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(climbing)
        tar.addfile(link)
    site.pages["/a.csv"] = Reply((tmp_path / "evil.tar").read_bytes())
    last = run(order(name="evil.tar"))
    assert last.reason == "It is an archive, and left packed."
    assert data(project) == ["evil.tar", "evil.tar.ipynb", "evil.tar.manifest.json"]


def test_nothing_is_fetched_without_room_for_it(order, project, site):
    site.pages["/a.csv"] = Reply(BODY)
    assert run(order(bytes=2**60)).reason.startswith("It needs 1,152.9 PB, and ")
    assert site.requests == []
    (project / "full").write_bytes(b"x" * 10_000)
    assert " has no room for " in run(order(storage_bytes=len(BODY) + 1000)).reason
    assert data(project) == []


def test_bytes_as_they_are_written_count_against_the_storage(order, project, site):
    site.pages["/a.csv"] = Reply(gzip.compress(bytes(5_000_000)), headers={"Content-Encoding": "gzip"})
    last = run(order(storage_bytes=100_000))
    assert (last.state, " has no room for " in last.reason) == ("failed", True)
    assert sum(path.stat().st_size for path in (project / "data/air-1").glob(".*")) <= 100_000
    assert data(project) == []


def test_a_server_that_begins_again_and_again_is_given_up(order, site):
    site.pages["/a.csv"] = Reply(BODY[:1000], headers={"Content-Length": str(len(BODY))})
    assert "It was tried 5 times." in run(order()).reason
    assert len(site.requests) == 5


def test_a_server_that_sends_byte_by_byte_is_given_up(order, site):
    def reply(site_request: SiteRequest) -> Reply:
        start = int(site_request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        headers = {"ETag": '"1"', "Content-Length": str(len(BODY) - start)}
        part = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"} if start else {}
        return Reply(BODY[start : start + 1], status=206 if start else 200, headers=headers | part)

    site.pages["/a.csv"] = reply
    assert "It was tried 5 times." in run(order()).reason
    assert len(site.requests) == 5


def continued(order: TransferSpec, project: Path, beginning: bytes, tag: str = '"v1"') -> Path:
    """The folder of a transfer that was killed after these bytes."""
    folder = project / "data/air-1"
    folder.mkdir(parents=True)
    (folder / node.part_name(order)).write_bytes(beginning)
    (folder / f"{node.part_name(order)}.tag").write_text(tag)
    return folder


def everything(project: Path) -> list[Path]:
    return sorted(path.relative_to(project) for path in project.rglob("*") if path.is_file())


@pytest.mark.parametrize("checksum", [None, Checksum(algorithm="sha256", value=hashlib.sha256(BODY).hexdigest())])
def test_a_file_of_which_nothing_is_missing_is_complete(order, project, site, checksum):
    site.pages["/a.csv"] = Reply(status=416, headers={"Content-Range": f"bytes */{len(BODY)}", "ETag": '"v1"'})
    spec = order(checksum=checksum)
    continued(spec, project, BODY)
    last = run(spec)
    assert (last.state, last.verified, last.bytes) == ("done", checksum is not None, len(BODY))
    assert (project / last.path).read_bytes() == BODY
    assert len(site.requests) == 1
    assert [path.name for path in (project / "data/air-1").glob(".*")] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Range": "bytes */5"},
        {"Content-Range": f"bytes */{len(BODY)}", "ETag": '"v2"'},
    ],
)
def test_a_file_that_cannot_be_continued_is_copied_anew(order, project, site, headers):
    def reply(site_request: SiteRequest) -> Reply:
        if "Range" in site_request.headers:
            return Reply(status=416, headers=headers)
        return Reply(BODY, headers={"ETag": '"v2"'})

    site.pages["/a.csv"] = reply
    spec = order()
    continued(spec, project, bytes(len(BODY)))
    last = run(spec)
    assert (project / last.path).read_bytes() == BODY


def test_a_part_of_another_version_or_an_encoded_one_is_not_appended(order, project, site):
    for number, headers in enumerate(({"ETag": '"v2"'}, {"Content-Encoding": "gzip"})):

        def reply(site_request: SiteRequest, headers=headers) -> Reply:
            if "Range" not in site_request.headers:
                return Reply(BODY, headers={"ETag": '"v2"'})
            part = {"Content-Range": f"bytes 3-{len(BODY) - 1}/{len(BODY)}"}
            return Reply(BODY[3:], status=206, headers=part | headers)

        site.pages["/a.csv"] = reply
        spec = order(folder=f"air-{number}")
        folder = project / f"data/air-{number}"
        folder.mkdir(parents=True)
        (folder / node.part_name(spec)).write_bytes(b"old")
        (folder / f"{node.part_name(spec)}.tag").write_text('"v1"')
        assert (project / run(spec).path).read_bytes() == BODY


def test_a_part_that_ends_before_the_stated_length_is_continued(order, project, site):
    def reply(site_request: SiteRequest) -> Reply:
        start = int(site_request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        end = min(start + len(BODY) // 2, len(BODY))
        part = {"ETag": '"v1"', "Content-Range": f"bytes {start}-{end - 1}/{len(BODY)}"}
        return Reply(BODY[start:end], status=206, headers=part)

    site.pages["/a.csv"] = reply
    spec = order()
    continued(spec, project, BODY[:10])
    assert (project / run(spec).path).read_bytes() == BODY


def test_an_unpacked_answer_that_breaks_off_is_not_complete(order, project, site):
    packed = gzip.compress(BODY)
    site.pages["/a.csv"] = Reply(packed[: len(packed) // 2], headers={"Content-Encoding": "gzip"})
    last = run(order())
    assert (last.state, "broke off" in last.reason, everything(project)) == ("failed", True, [])
    site.pages["/a.csv"] = Reply(
        gzip.compress(BODY[:10]) + gzip.compress(BODY[10:]), headers={"Content-Encoding": "gzip"}
    )
    assert (project / run(order()).path).read_bytes() == BODY


def test_another_size_than_the_record_states_is_said(order, site):
    site.pages["/a.csv"] = Reply(BODY)
    assert run(order(bytes=5)).reason == f"It has {len(BODY):,} bytes; its record states 5."


@pytest.mark.parametrize("reply", [Reply(status=404), Reply(BODY[:9], headers={"Content-Length": "99"})])
def test_a_failed_try_leaves_nothing(order, project, site, reply):
    site.pages["/a.csv"] = reply
    assert run(order()).state == "failed"
    assert everything(project) == []
    assert list((project / "data").iterdir()) == []


def test_a_failed_try_leaves_what_another_can_continue(order, project, site):
    site.pages["/a.csv"] = Reply(BODY[:9], headers={"Content-Length": "99", "ETag": '"v1"'})
    last = run(order())
    assert last.reason.endswith("A new try goes on after what has arrived.")
    assert (project / "data/air-1" / node.part_name(order())).read_bytes() == BODY[:9]


def test_a_try_for_which_there_is_no_room_leaves_nothing(order, project, site):
    site.pages["/a.csv"] = Reply(BODY)
    spec = order(storage_bytes=1000)
    continued(spec, project, BODY[:10])
    assert (run(spec).state, everything(project)) == ("failed", [])


@pytest.mark.parametrize(
    ("name", "file_type", "body", "reason"),
    [
        ("a.csv", "CSV", b"<!DOCTYPE html><html><body>Sign in, please", "This is a web page"),
        ("a.zip", "ZIP", b"<html><body>Sign in, please", "This is a web page"),
        ("data", "", b"<html><body>Sign in, please", "This is a web page"),
        ("a.csv.gz", "CSV", gzip.compress(b"<html>", mtime=0), "This is a web page"),
        ("a.parquet", "", b'<?xml version="1.0"?><ListBucketResult><Name>b</Name>', "a listing of a storage bucket"),
        ("a.json", "JSON", b'{"error": {"code": 498, "message": "Invalid token."}}', "It says: Invalid token."),
        ("a.csv", "CSV", b'{"message": "no such resource"}', "It says: no such resource"),
    ],
)
def test_what_is_sent_instead_of_the_file_goes_to_quarantine(order, project, site, name, file_type, body, reason):
    site.pages["/a.csv"] = Reply(body, headers={"Content-Type": "text/csv"})
    last = run(order(name=name, format=file_type))
    assert (last.state, last.path) == ("quarantined", f"quarantine/7-{name}")
    assert reason in last.reason
    assert everything(project) == [Path("quarantine", f"7-{name}")]


def test_a_web_page_that_its_record_describes_arrives(order, site):
    page = b"<html><body>Documentation"
    site.pages["/a.csv"] = Reply(page)
    assert run(order(format="HTML", name="a")).state == "done"
    assert run(order(format="", name="a.html")).state == "done"
    right = Checksum(algorithm="sha256", value=hashlib.sha256(page).hexdigest())
    last = run(order(checksum=right))
    assert (last.state, last.verified, "a web page" in last.reason) == ("done", True, True)


def test_a_file_of_another_type_arrives_and_its_type_is_named(order, site):
    site.pages["/a.csv"] = Reply(b"%PDF-1.7")
    last = run(order())
    assert (last.state, last.reason) == (
        "done",
        "It is a PDF document, although its record or its name says otherwise.",
    )
    site.pages["/a.csv"] = Reply(b"PAR1....PAR1")
    assert run(order(format="PARQUET", name="a.parquet")).reason == ""


@pytest.fixture
def umask_of_jobs():
    """As the program itself sets it."""
    before = os.umask(0o007)
    yield
    os.umask(before)


@pytest.mark.parametrize("place", ["file", "link", "changeable"])
def test_a_file_that_somebody_put_there_is_not_handed_out_as_our_notebook(order, project, site, place, umask_of_jobs):
    folder = project / "data/air-1"
    folder.mkdir(parents=True)
    planted = folder / "a.csv.ipynb"
    if place == "link":
        planted.symlink_to("/etc/passwd")
    else:
        planted.write_text("{}")
    if place == "changeable":
        site.pages["/a.csv"] = Reply(BODY)
        first = run(order())
        planted.unlink()
        planted.write_text((project / first.notebook).read_text())
        planted.chmod(0o666)
    site.pages["/a.csv"] = Reply(BODY)
    before = planted.read_bytes()
    last = run(order())
    assert last.notebook != "data/air-1/a.csv.ipynb" and planted.read_bytes() == before
    assert "duckdb.read_csv" in (project / last.notebook).read_text()
    assert not (project / last.notebook).stat().st_mode & 0o002
    assert (project / last.notebook).stat().st_mode & 0o060 == 0o060, "members can edit it"
    assert run(order()).notebook == last.notebook


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/latest", "http://[::ffff:127.0.0.1]/a", "http://10.0.0.1/a", "file:///etc/passwd"],
)
def test_private_addresses_are_not_fetched(order, project, address):
    assert run(order(address=address, allowed_hosts=())).state == "failed"
    assert data(project) == []


def test_a_redirect_into_a_private_network_is_not_followed(order, site):
    site.pages["/a.csv"] = Reply(status=302, headers={"Location": "http://169.254.169.254/"})
    assert "private network" in run(order()).reason


def test_errors_of_the_server_are_the_reason_given(order, site):
    assert "answered 404" in run(order("/missing")).reason
    site.pages["/busy"] = Reply(status=503)
    assert "It was tried 5 times" in run(order("/busy")).reason


@pytest.mark.parametrize(
    "change",
    [
        *({"folder": "../x"}, {"name": "../x"}, {"name": ".bashrc"}, {"name": "a/b"}, {"name": "-rf"}, {"name": ""}),
        *({"name": "a\0b"}, {"name": "a\u202eb"}, {"name": "u\u0308"}, {"name": "ж" * 100}),
    ],
)
def test_an_order_with_a_path_in_it_is_refused(order, change):
    argument = node.encoded_spec(order().model_copy(update=change))
    with pytest.raises(TransferFailed):
        node.decoded_spec(argument)


def test_names_of_folders_and_files_are_harmless():
    assert folder_name("Luftqualität: <b>Brüssel</b> ../..", 5) == "luftqualitat-b-brussel-b-5"
    assert folder_name("Зелена стомана", 5) == "zelena-stomana-5"
    assert folder_name("😀", 5) == "record-5"
    for address, name in {
        "https://x.example/a/b.csv?key=1": "b.csv",
        "https://x.example/..%2f..%2fetc%2fpasswd": "passwd.csv",
        "https://x.example/%2e%2e": "data.csv",
        "https://x.example/": "data.csv",
        "https://x.example/$(id)`;.sh": "id_.sh",
        "https://x.example/.bashrc": "bashrc.csv",
        "https://x.example/a%00b%e2%80%ae.csv": "a_b_.csv",
    }.items():
        assert file_name(address, "CSV") == name
        assert os.sep not in file_name(address, "")


@pytest.mark.parametrize(
    ("last", "name"),
    [
        ("Луфт%20качество.csv", "Луфт_качество.csv"),
        ("%E5%A4%A7%E6%B0%97.csv", "大気.csv"),
        ("वायु-गुणवत्ता.csv", "वायु-गुणवत्ता.csv"),
        ("αέρας.csv", "αέρας.csv"),
        ("هواء.csv", "هواء.csv"),
        ("Stra%DFe.csv", "Straße.csv"),
        ("u%CC%88ber.csv", "über.csv"),
        ("😀.csv", "csv.csv"),
    ],
)
def test_names_in_any_script_are_kept(order, project, site, last, name):
    assert file_name(f"https://x.example/a/{last}?key=1", "CSV") == name
    site.pages["/a.csv"] = Reply(BODY)
    result = run(node.decoded_spec(node.encoded_spec(order(name=name))))
    assert (result.path, (project / result.path).read_bytes()) == (f"data/air-1/{name}", BODY)


def test_long_names_fit_the_file_system(order, project, site):
    name = file_name(f"https://x.example/{'ж' * 500}.csv", "CSV")
    assert name.endswith("ж.csv") and 100 < len(name.encode()) <= 120
    site.pages["/a.csv"] = Reply(BODY, headers={"ETag": '"1"'})
    assert run(order(name=name, checksum=Checksum(algorithm="md5", value="0"))).state == "quarantined"
    assert run(order(name=name)).state == "done"


def test_progress_is_utf_8_in_every_locale(order, project, site):
    site.pages["/a.csv"] = Reply(BODY)
    command = [
        sys.executable,
        "-X",
        "utf8",
        "-m",
        "hub.dataspace.transfers.node",
        node.encoded_spec(order(name="ж.csv")),
    ]
    environment = {"LC_ALL": "POSIX", "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path(node.__file__).parents[3])}
    answer = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    assert last_progress(answer.stdout.decode()).path == "data/air-1/ж.csv"


def test_public_objects_of_s3_are_read_at_their_https_address():
    assert fetch.http_address("s3://bucket/a b/c.parquet") == "https://bucket.s3.amazonaws.com/a%20b/c.parquet"
    assert fetch.http_address("https://x.example/a") == "https://x.example/a"


def test_only_our_own_lines_of_a_log_count():
    line = Progress(state=TransferState.RUNNING, bytes=5).model_dump_json()
    assert last_progress(f'{{"state":"waiting"}}\n{line}\nTraceback (most recent call last)\n') == Progress(
        state=TransferState.RUNNING, bytes=5
    )
    assert last_progress("nothing\n{}") is None
