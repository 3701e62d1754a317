"""First rows of files: values as they are, and what a file is that is no table."""

from __future__ import annotations

import datetime
import gzip
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import parquet

from hub.dataspace.readers import arrow_values, rows
from tests.hub.dataspace.conftest import DATA

PREVIEWS = DATA / "previews"
WEB_PAGE = (PREVIEWS / "html-as-csv.csv").read_bytes()


@pytest.fixture
def read(tmp_path):
    def read(data, kind="CSV", *, truncated=False):
        path = tmp_path / "file"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        if kind == "PARQUET":
            return next(rows.parquet_rows({"path": str(path), "most": 2**30}))
        return next(rows.rows({"path": str(path), "kind": kind, "truncated": truncated}))

    return read


@pytest.fixture
def read_column(read, tmp_path):
    """Cells of a Parquet file with one column."""

    def read_column(column):
        path = tmp_path / "column.parquet"
        parquet.write_table(pa.table({"a": column}), path)
        return [row[0] for row in read(path.read_bytes(), "PARQUET")["rows"]]

    return read_column


# -- cut texts --------------------------------------------------------------------------------------------------------


def text_cut_in_a_letter():
    lines = "код;име\n" + "".join(f"{n:06d};Софийска област\n" for n in range(90_000))
    return next(
        data for pad in range(4) if (data := ("x" * pad + lines).encode())[rows.BEGINNING] & 0xC0 == 0x80
    )  # fmt: skip


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_text_that_is_cut_inside_a_letter_stays_utf_8(read, pack):
    data = text_cut_in_a_letter()
    line = read(pack(data) if pack is gzip.compress else data[: rows.BEGINNING], truncated=pack is bytes)
    assert [name.lstrip("x") for name in line["columns"]] == ["код", "име"]
    assert (line["rows"][0], line["complete"]) == (["000000", "Софийска област"], False)


def test_json_that_is_cut_inside_a_letter_stays_utf_8(read):
    data = json.dumps([{"a": "ж" * 50}, {"a": "ж" * 50}], ensure_ascii=False).encode()
    line = read(data[:-20], "JSON", truncated=True)
    assert (line["rows"], line["complete"]) == ([["ж" * 50]], False)


def test_a_row_that_is_cut_is_not_shown(read):
    assert read('a,b\n1,"x\ny"\n2,"z\n', truncated=True)["rows"] == [["1", "x\ny"]]
    assert "first row has more than" in read("a,b,c", truncated=True)["refused"]


def test_lines_may_end_as_on_an_old_mac(read):
    assert read("a,b\r1,2\r3,4\r")["rows"] == [["1", "2"], ["3", "4"]]


# -- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-20", "0"], "integer"),
        (["1.5", "2", "-3e5", ".5"], "number"),
        (["01067", "80331"], "text"),
        (["007"], "text"),
        (["00.5"], "text"),
        (["1_000"], "text"),
        (["+4930"], "text"),
        (["", ""], "text"),
    ],
)
def test_leading_zeros_keep_a_column_text(read, values, kind):
    line = read("\n".join(["a;b", *(f"{value};x" for value in values)]) + "\n")
    assert (line["types"][0], [row[0] for row in line["rows"]]) == (kind, values)


# -- what is no table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["CSV", "TSV", "JSON", "GEOJSON", "PARQUET"])
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (WEB_PAGE, "a web page"),
        (b'\xef\xbb\xbf\n<!-- x -->\n<?xml version="1.0"?>\n<html xmlns="x"><body>', "a web page"),
        ("<!DOCTYPE HTML><p>Straße".encode("utf-16"), "a web page"),
        (b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/"><Name>b', "a listing"),
        (b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", "It says: Access Denied"),
        (b'<ows:ExceptionReport><ows:Exception><ows:ExceptionText>No layer</ows:ExceptionText>', "It says: No layer"),
        (b'{"error": {"code": 404, "message": "Not\\n found"}}', "It says: Not found"),
        (b'{"success": false, "error": "gone"}', "It says: gone"),
        (b'{"type": "about:blank", "title": "Forbidden", "status": 403}', "It says: Forbidden"),
        (b'{"errors": ["no such table"], "data": null}', "It says: no such table"),
        (b"%PDF-1.7", "a PDF document"),
    ],
)  # fmt: skip
def test_what_a_server_sends_instead_of_a_table_is_named(read, data, name, kind):
    assert name in read(data, kind)["refused"]


def test_a_packed_web_page_is_a_web_page(read):
    assert "a web page" in read(gzip.compress(WEB_PAGE))["refused"]


def test_json_under_another_name_is_shown_and_named(read):
    line = read('[{"a": 1}, {"a": 2}]', "CSV")
    assert (line["columns"], line["rows"], "This is JSON" in line["note"]) == (["a"], [["1"], ["2"]], True)


@pytest.mark.parametrize(
    "text",
    [
        '{"error": "", "data": [{"a": 1}]}',
        '{"message": "ok", "records": [{"a": 1}]}',
        '[{"error": "none", "a": 1}]',
        '{"errors": [{"a": 1}], "rows": [{"a": 1}, {"a": 2}]}',
    ],
)
def test_data_with_a_field_called_error_is_data(read, text):
    assert "refused" not in read(text, "JSON")


@pytest.mark.parametrize("text", ["<DATE>,<OPEN>\n1,2\n", "a < b,c\n1,2\n", "[x],{y}\n1,2\n"])
def test_signs_of_markup_in_a_header_make_no_other_type(read, text):
    assert read(text)["rows"] == [["1", "2"]]


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_geojson_shows_features_and_not_its_bounding_box(read):
    line = read((PREVIEWS / "bbox-first.geojson").read_bytes(), "GEOJSON")
    assert (line["columns"], line["rows"], line["types"]) == (["n", "v"], [["Köln", "1"]], ["text", "integer"])


@pytest.mark.parametrize(
    ("document", "columns", "expected"),
    [
        ({"features": [{"type": "Feature", "properties": {"a": 1}}], "links": [{"h": 1}, {"h": 2}],
          "type": "FeatureCollection"}, ["a"], [["1"]]),
        ({"type": "Feature", "properties": {"a": 1}, "geometry": {"coordinates": [1, 2]}}, ["a"], [["1"]]),
        ({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": None,
          "geometry": {"type": "Point", "coordinates": [1, 2]}}]}, ["geometry"], [["Point"]]),
        ({"result": {"fields": [{"id": "a"}], "records": [{"a": "ß"}, {"a": {"ö": ["ü"]}}]}},
         ["a"], [["ß"], ['{"ö": ["ü"]}']]),
        ({"a": 1, "b": [1, 2]}, ["a", "b"], [["1", "[1, 2]"]]),
        ([1, 2], ["value"], [["1"], ["2"]]),
    ],
)  # fmt: skip
def test_the_rows_of_a_document_are_its_list_of_objects(read, document, columns, expected):
    for kind in ("JSON", "GEOJSON"):
        line = read(json.dumps(document), kind)
        assert (line["columns"], line["rows"], line["complete"]) == (columns, expected, True)


def test_features_in_the_beginning_of_a_long_collection_are_enough(read):
    feature = {"type": "Feature", "properties": {"a": 1}, "geometry": {"type": "Point", "coordinates": [0, 0]}}
    text = json.dumps({"type": "FeatureCollection", "bbox": [1, 2, 3, 4], "features": [feature] * 50})
    assert read(text[:-500], "GEOJSON", truncated=True)["rows"] == [["1"]] * 20
    assert "no features" in read('{"type": "FeatureCollection", "features": []}', "GEOJSON")["refused"]


# -- Parquet ----------------------------------------------------------------------------------------------------------


def test_times_with_a_zone_decimals_and_dates_are_shown_as_values(read):
    line = read((PREVIEWS / "tz-decimal-date.parquet").read_bytes(), "PARQUET")
    assert line["rows"][0] == ["2024-05-01 14:00:00+02:00", "123.4500", "2024-05-01"]


def test_nested_values_keep_their_letters_and_bytes_are_hexadecimal(read):
    line = read((PREVIEWS / "nested-utf8.parquet").read_bytes(), "PARQUET")
    assert line["rows"][0] == [
        '{"city": "Zürich", "xy": [1.5, 2.5]}', '["ä", "ö"]', "0001", '{"k": "ß"}', "9223372036854775807", "NaN",
        "true", "a",
    ]  # fmt: skip


def test_nanoseconds_are_shown(read_column):
    assert read_column(pa.array([1, -1], pa.timestamp("ns"))) == [
        "1970-01-01 00:00:00.000000001",
        "1969-12-31 23:59:59.999999999",
    ]
    assert read_column(pa.array([1_000_000_007], pa.time64("ns"))) == ["00:00:01.000000007"]
    assert read_column(pa.array([-86_400_000_000_001], pa.duration("ns"))) == ["-1 day, 0:00:00.000000001"]
    inner = pa.array([[{"t": 5}]], pa.list_(pa.struct([("t", pa.timestamp("ns", "UTC"))])))
    assert read_column(inner) == ['[{"t": "1970-01-01 00:00:00.000000005+00:00"}]']


@pytest.mark.parametrize("year", [1, 1600, 1969, 1970, 2024, 2370, 9999])
def test_moments_are_those_of_the_calendar(year):
    time = datetime.datetime(year, 2, 28, 23, 59, 59, tzinfo=datetime.UTC)
    seconds = (time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(seconds=1)
    assert arrow_values.moment(seconds, "s", None) == f"{year:04}-02-28 23:59:59"
    assert arrow_values.moment(seconds, "s", "+01:00") == f"{year:04}-03-01 00:59:59+01:00".replace(
        "-03-01", "-02-29" if year in (1600, 2024) else "-03-01"
    )


def test_far_years_are_shown(read_column):
    days = (datetime.date(9999, 12, 31) - datetime.date(1970, 1, 1)).days
    assert read_column(pa.array([days + 1, days + 366], pa.date32())) == ["10000-01-01", "10000-12-31"]
    seconds = (days + 1) * 86_400
    assert read_column(pa.array([seconds * 1000], pa.timestamp("ms"))) == ["10000-01-01 00:00:00"]
    in_summer = seconds + 182 * 86_400
    assert read_column(pa.array([in_summer * 1000], pa.timestamp("ms", "Europe/Brussels"))) == [
        "10000-07-01 02:00:00+02:00"
    ]
    assert read_column(pa.array([-800_000], pa.date32())) == ["-221-09-04"]


def test_other_types_are_shown_as_values(read_column):
    assert read_column(pa.array([Decimal("1E+3")], pa.decimal256(50, 2))) == ["1000.00"]
    assert read_column(pa.array(["a", None]).dictionary_encode()) == ["a", ""]
    assert read_column(pa.array([b"\xff" * 500], pa.large_binary()))[0] == "ff" * 100 + "…"
    assert len(read_column(pa.array([list(range(100_000))]))[0]) == 201
