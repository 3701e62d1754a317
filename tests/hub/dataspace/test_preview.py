"""First rows of files, and hostile files. Fetched over HTTP, read in the sandbox."""

import gzip
import io
import json
import socket
import zipfile

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet

from hub.dataspace.fetch import Fetcher, FetchRefused
from hub.dataspace.models import Distribution
from hub.dataspace.preview import NoPreview, Previewer
from tests.hub.dataspace.conftest import DATA, Reply
from tests.hub.dataspace.readers.test_rows import text_cut_in_a_letter

pytestmark = pytest.mark.process

CSV = "name;size\r\n" + "".join(f"Straße {n};{n}\r\n" for n in range(50))


@pytest.fixture
def show(site):
    def show(body, name="a.csv", kind="", **headers):
        site.pages[f"/{name}"] = Reply(body if isinstance(body, bytes) else body.encode(), headers=headers)
        previewer = Previewer(Fetcher(["127.0.0.1"]))
        return previewer.preview(Distribution(download_url=f"{site.url}/{name}", format=kind))

    return show


def zipped(members, method=zipfile.ZIP_DEFLATED):
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return into.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig", "utf-16"])
def test_csv(show, encoding):
    preview = show(CSV.encode(encoding))
    assert preview.columns == ("name", "size")
    assert preview.types == ("text", "integer")
    assert (len(preview.rows), preview.rows[0], preview.complete) == (20, ("Straße 0", "0"), False)


def test_a_short_file_is_complete_and_ragged_rows_are_filled(show):
    preview = show("a,b\n1\n2,3,4\n")
    assert (preview.rows, preview.complete) == ((("1", ""), ("2", "3")), True)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"a": 1, "b": "x"}, {"a": 2}]),
        json.dumps({"count": 2, "items": [{"a": 1, "b": "x"}, {"a": 2}]}),
        '{"a": 1, "b": "x"}\n{"a": 2}\n',
        json.dumps({"type": "FeatureCollection", "features": [
            {"type": "Feature", "properties": {"a": 1, "b": "x"}, "geometry": None},
            {"type": "Feature", "properties": {"a": 2}}]}),
    ],
)  # fmt: skip
def test_json(show, text):
    preview = show(text, "a.json")
    assert (preview.columns, preview.rows) == (("a", "b"), (("1", "x"), ("2", "")))


def test_the_beginning_of_long_json_is_enough(show):
    preview = show(json.dumps([{"a": "x" * 1000} for _ in range(5000)]), "a.json")
    assert (len(preview.rows), preview.complete) == (20, False)
    assert len(preview.rows[0][0]) == 201


def test_parquet(show):
    into = io.BytesIO()
    parquet.write_table(pa.table({"n": range(100), "s": [str(n) for n in range(100)]}), into)
    preview = show(into.getvalue(), "a.parquet")
    assert (preview.columns, preview.types) == (("n", "s"), ("int64", "string"))
    assert (preview.rows[3], preview.complete) == (("3", "3"), False)


def test_a_packed_csv_is_previewed(show):
    for name, body in (
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv.zst", zstandard.compress(CSV.encode())),
        ("a.csv.zip", zipped({"readme.md": "x", "../../etc/a.csv": CSV})),  # a name in it is never a path
    ):
        assert show(body, name).rows[1] == ("Straße 1", "1"), name


def test_decompression_bombs_are_unpacked_only_for_the_first_rows(show):
    row = b"a,b\n" + b"0,0\n" * 1000
    huge = row + b"1" * (64 * 2**20)
    assert len(show(gzip.compress(huge), "a.csv.gz").rows) == 20
    assert len(show(zstandard.compress(huge), "a.csv.zst").rows) == 20
    assert len(show(zipped({"a.csv": huge}), "a.csv.zip").rows) == 20
    assert len(show(gzip.compress(huge), "b.csv", **{"Content-Encoding": "gzip"}).rows) == 20
    nested = zipped({"a.zip": zipped({"b.zip": zipped({"c.csv": huge})})})
    with pytest.raises(NoPreview, match="no CSV"):
        show(nested, "n.csv.zip")


def test_a_zstd_frame_with_a_huge_window_is_refused(show):
    parameters = zstandard.ZstdCompressionParameters(window_log=30)
    body = zstandard.ZstdCompressor(compression_params=parameters).compress(b"a,b\n" * (30 * 2**20))
    with pytest.raises(NoPreview):
        show(body, "a.csv.zst")


def test_a_parquet_file_that_would_fill_the_memory_is_refused(site):
    into = io.BytesIO()
    parquet.write_table(pa.table({"a": ["x" * 2**20] * 20}), into, compression="zstd", use_dictionary=False)
    site.pages["/a.parquet"] = Reply(into.getvalue())
    bomb = Distribution(download_url=f"{site.url}/a.parquet")
    assert len(into.getvalue()) < 2**20
    assert Previewer(Fetcher(["127.0.0.1"])).preview(bomb).columns == ("a",)
    with pytest.raises(NoPreview, match="once unpacked"):
        Previewer(Fetcher(["127.0.0.1"]), largest_part=10 * 2**20).preview(bomb)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "a.csv"),
        (b"PAR1garbagePAR1", "a.parquet"),
        (b"PK\x03\x04broken", "a.csv.zip"),
        (b"\x1f\x8bbroken", "a.csv.gz"),
        (b"no json at all", "a.json"),
        (b"[" * 100_000, "a.json"),
    ],
)
def test_broken_files_have_no_preview(show, body, name):
    with pytest.raises(NoPreview):
        show(body, name)


def test_a_web_page_served_for_a_csv_is_named(show):
    body = (DATA / "previews/html-as-csv.csv").read_bytes()
    with pytest.raises(NoPreview, match="This is a web page"):
        show(body, "a", "CSV", **{"Content-Type": "text/html"})


def test_a_long_text_that_is_fetched_in_part_stays_utf_8(show):
    preview = show(text_cut_in_a_letter())
    assert (preview.rows[0], preview.complete) == (("000000", "Софийска област"), False)


def test_unknown_formats_missing_files_and_private_addresses_have_no_preview(show, site):
    with pytest.raises(NoPreview, match="CSV, JSON and Parquet"):
        show("x", "a.exe")
    site.pages["/a.csv"] = Reply(status=404)
    with pytest.raises(NoPreview, match="404"):
        Previewer(Fetcher(["127.0.0.1"])).preview(Distribution(download_url=f"{site.url}/a.csv"))
    with pytest.raises(FetchRefused):
        Previewer(Fetcher()).preview(Distribution(download_url=f"{site.url}/a.csv"))


def test_an_s3_object_at_a_private_address_is_refused(site, monkeypatch):
    lookups = []

    def resolve(host, port, *_, **__):
        lookups.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(FetchRefused, match="private network"):
        Previewer(Fetcher()).preview(Distribution(download_url="s3://bucket/a.csv"))
    assert lookups == [("bucket.s3.amazonaws.com", 443)]
