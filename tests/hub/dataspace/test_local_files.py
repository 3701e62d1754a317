"""Files that come with a catalogue on this machine: which records name them, and what is never read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from hub.dataspace import service
from hub.dataspace.fetch import Fetcher, FetchFailed
from hub.dataspace.local_files import LocalFileRefused, base_address, named_by, opened
from hub.dataspace.models import LocalFile
from hub.dataspace.preview import NoPreview, Previewer
from hub.dataspace.sources.models import SourceForm
from hub.dataspace.transfers import node
from hub.dataspace.transfers import service as transfers
from hub.dataspace.transfers.models import TransferForm, TransferSpec, TransferState
from hub.dataspace.transfers.tables import TransferRow
from tests.hub.dataspace.conftest import Reply, Shop, stated_file

RAIN = b"day,rain\n1,2.5\n2,0\n"
CATALOGUE = """
@prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
<#rain> a dcat:Dataset ; dct:title "Rain"@en ; dct:license <https://creativecommons.org/publicdomain/zero/1.0/> ;
  dcat:distribution [ dcat:downloadURL <FILE> ; dct:format "CSV" ] .
"""
MINE = frozenset({"demo"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    catalogue = tmp_path / "catalogue"
    catalogue.mkdir()
    (catalogue / "rain.csv").write_bytes(RAIN)
    return catalogue


def harvested(shop: Shop, folder: Path, file: str = "rain.csv", **options: Any) -> int:
    """Id of the record of a catalogue in ``folder`` that names ``file``."""
    (folder / "catalogue.ttl").write_text(CATALOGUE.replace("FILE", file))
    shop.harvest(str(folder / "catalogue.ttl"), **{"files": str(folder), **options})
    [row] = shop.rows().values()
    return int(row.id)


def refused(folder: Path, name: str) -> bool:
    try:
        opened(LocalFile(folder=str(folder), name=name)).close()
    except LocalFileRefused:
        return True
    return False


def test_a_file_beside_its_catalogue_is_on_this_machine(shop, session, folder):
    record_id = harvested(shop, folder)
    file, local = stated_file(session, record_id, [folder.parent], 0)
    assert file.download_url == "https://cat.files.invalid/rain.csv"
    assert local == LocalFile(folder=str(folder), name="rain.csv")
    page = service.record_page(session, record_id, frozenset(), "en", person="alice", folders=[folder.parent])
    assert page.paths == (f"{folder}/rain.csv",)
    with opened(local) as content:
        assert content.read() == RAIN


def test_only_the_source_itself_names_its_files(shop, session, folder):
    record_id = harvested(shop, folder, "https://other.files.invalid/rain.csv")
    assert stated_file(session, record_id, [folder.parent], 0)[1] is None


def test_a_source_without_a_folder_of_files_names_none(shop, session, folder):
    record_id = harvested(shop, folder, files="")
    assert stated_file(session, record_id, [folder.parent], 0)[1] is None


@pytest.mark.process
def test_a_catalogue_of_another_server_names_none(shop, session, folder, site):
    harvested(shop, folder)
    text = CATALOGUE.replace("FILE", "https://cat.files.invalid/rain.csv").replace("#rain", "https://x.example/1")
    site.pages["/c.ttl"] = Reply(text.encode(), headers={"Content-Type": "text/turtle"})
    shop.harvest(f"{site.url}/c.ttl", name="remote")
    row = shop.rows()["https://x.example/1"]
    file, local = stated_file(session, row.id, [folder.parent], 0)
    assert (file.download_url, local) == ("https://cat.files.invalid/rain.csv", None)
    with pytest.raises(FetchFailed):
        Previewer(Fetcher()).preview(file, local)


@pytest.mark.parametrize("address", ["https://cat.example/a", "http://cat.example/a"])
def test_only_a_catalogue_on_this_machine_has_a_folder_of_files(address):
    with pytest.raises(ValueError, match="on this machine"):
        SourceForm(name="cat", title="Cat", space="Test", address=address, files="/srv/files")
    with pytest.raises(ValueError, match="absolute path"):
        SourceForm(name="cat", title="Cat", space="Test", address="/srv/c.ttl", files="files")


def test_a_folder_that_the_settings_do_not_list_is_refused(shop, session, folder, tmp_path):
    record_id = harvested(shop, folder)
    for allowed in ([], [tmp_path / "elsewhere"]):
        with pytest.raises(LocalFileRefused, match="not one that the settings list"):
            stated_file(session, record_id, allowed, 0)
        page = service.record_page(session, record_id, frozenset(), "en", person="alice", folders=allowed)
        assert page.paths == ("",)


@pytest.mark.parametrize(
    "name",
    ["../rain.csv", "a/../../x", ".hidden", "a/.hidden", "%2e%2e/x", "a//b", "", "a%2f..%2fb", "a%00", "a?b", "a#b"],
)
def test_names_that_are_no_path_below_the_folder_are_refused(folder, name):
    with pytest.raises(LocalFileRefused):
        named_by(base_address("cat", has_files=True) + name, source="cat", folder=str(folder), allowed=[folder])


def test_links_and_what_is_no_plain_file_are_not_read(folder, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a.csv").write_bytes(RAIN)
    (folder / "link.csv").symlink_to(tmp_path / "secret/a.csv")
    (folder / "linked").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe.csv")
    (folder / "inner").mkdir()
    (folder / "inner/a.csv").write_bytes(RAIN)
    assert not refused(folder, "inner/a.csv")
    for name in ("link.csv", "linked/a.csv", "pipe.csv", "inner", "missing.csv", "../secret/a.csv", "/etc/passwd"):
        assert refused(folder, name), name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_file_of_another_owner_is_not_read(folder):
    os.chown(folder / "rain.csv", 65534, -1)
    assert refused(folder, "rain.csv")


@pytest.mark.process
def test_first_rows_are_read_from_the_file(shop, session, folder):
    record_id = harvested(shop, folder)
    preview = Previewer(Fetcher()).preview(*stated_file(session, record_id, [folder], 0))
    assert (preview.columns, preview.rows, preview.complete) == (("day", "rain"), (("1", "2.5"), ("2", "0")), True)
    (folder / "rain.csv").unlink()
    with pytest.raises(LocalFileRefused, match=r"rain\.csv cannot be read"):
        Previewer(Fetcher()).preview(*stated_file(session, record_id, [folder], 0))


@pytest.mark.process
def test_a_long_file_that_is_not_whole_has_no_preview_of_parquet(shop, session, folder, monkeypatch):
    monkeypatch.setattr("hub.dataspace.preview.WHOLE", 8)
    record_id = harvested(shop, folder, "rain.parquet")
    (folder / "rain.parquet").write_bytes(RAIN)
    file, local = stated_file(session, record_id, [folder], 0)
    with pytest.raises(NoPreview, match="longer than"):
        Previewer(Fetcher()).preview(file.model_copy(update={"format": "PARQUET"}), local)


async def test_a_transfer_copies_the_file(shop, session, settings, folder, project, tmp_path):
    dataspace = settings.dataspace.model_copy(update={"folders": (folder,)})
    configured = settings.model_copy(update={"dataspace": dataspace})
    wish = TransferForm(record_id=harvested(shop, folder), project="demo")
    transfer = transfers.request(session, configured, "founder", MINE, wish)
    assert transfer.address == f"file://{folder}/rain.csv"
    spec = TransferSpec.model_validate_json(session.get_one(TransferRow, transfer.id).order)
    assert spec.local_file == LocalFile(folder=str(folder), name="rain.csv")

    target = tmp_path / "demo"
    target.mkdir()
    spec = spec.model_copy(update={"project_directory": str(target)})
    progress = node.run(spec, lambda _: None)
    assert progress.state is TransferState.DONE, progress.reason
    assert (target / progress.path).read_bytes() == RAIN
    assert progress.sha256 == hashlib.sha256(RAIN).hexdigest()

    (folder / "rain.csv").unlink()
    (folder / "rain.csv").symlink_to("/etc/passwd")
    assert node.run(spec, lambda _: None).state is TransferState.FAILED


async def test_a_file_larger_than_the_projects_storage_is_not_copied(folder, tmp_path):
    target = tmp_path / "demo"
    target.mkdir()
    spec = TransferSpec(
        transfer=1, project_directory=str(target), folder="rain", name="rain.csv", address="file:///x",
        local_file=LocalFile(folder=str(folder), name="rain.csv"), storage_bytes=1, record="r", title="t", person="p",
    )  # fmt: skip
    assert node.run(spec, lambda _: None).state is TransferState.FAILED
    assert not list(target.rglob("rain.csv"))
