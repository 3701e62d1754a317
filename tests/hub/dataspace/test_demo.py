"""The catalogues that come with Atrium (deploy/demo): what they describe is there, and each verdict occurs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from hub.dataspace import local_files
from hub.dataspace.fetch import Fetcher
from hub.dataspace.metadata.usability import usable_now
from hub.dataspace.models import Record, Verdict
from hub.dataspace.preview import Previewer
from hub.dataspace.sources.models import RunState
from tests.hub.dataspace.conftest import Shop, stated_file

DEMO = Path(__file__).parents[3] / "deploy/demo"
DATASETS = DEMO / "datasets"
MOST_BYTES = 4 * 10**6

pytestmark = pytest.mark.process
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""The data are looked at here; harvests on both databases have tests of their own."""


@pytest.fixture
def opened_shop(shop: Shop) -> Shop:
    shop.harvester = type(shop.harvester)(
        shop.sessions, Fetcher(), shop.harvester.folder, [DEMO], pause=shop.paused.append
    )
    return shop


def harvested(shop: Shop, address: Path, **options: Any) -> list[Record]:
    run = shop.harvest(str(address), name="demo", **options)
    assert run.state == RunState.COMPLETE and all(refusal.note for refusal in run.refusals)
    return [Record.model_validate_json(row.content) for row in shop.rows().values()]


@on_one_database
def test_every_file_is_described_as_it_is_and_has_first_rows(opened_shop, session):
    records = harvested(opened_shop, DATASETS / "catalogue.ttl", files=str(DATASETS))
    described = set()
    for row in opened_shop.rows().values():
        for number in range(len(Record.model_validate_json(row.content).distributions)):
            file, local = stated_file(session, row.id, [DEMO], number)
            assert local is not None
            with local_files.opened(local) as content:
                body = content.read()
            assert file.bytes == len(body)
            assert file.checksum is not None
            assert (file.checksum.algorithm, file.checksum.value) == ("sha256", hashlib.sha256(body).hexdigest())
            assert Previewer(Fetcher()).preview(file, local).rows, local.name
            described.add(local.name)
    assert described == {path.name for path in DATASETS.iterdir()} - {"catalogue.ttl"}
    assert all(record.description and record.keywords and record.themes and record.publisher for record in records)
    verdicts = [usable_now(record).verdict for record in records]
    assert (verdicts.count(Verdict.YES), verdicts.count(Verdict.ASK)) == (len(described), 1)


def test_each_file_is_listed_with_its_licence():
    listed = (DEMO / "README.md").read_text()
    for path in DATASETS.iterdir():
        assert f"`{path.name}`" in listed


@on_one_database
def test_the_belgian_fragments_are_read_whole_and_have_all_verdicts(opened_shop):
    records = harvested(opened_shop, DEMO / "belgium")
    assert {usable_now(record).verdict for record in records} == set(Verdict)


def test_the_files_are_few_megabytes():
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < MOST_BYTES
