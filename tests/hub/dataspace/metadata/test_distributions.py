"""Files of a record: all their addresses, those that are files, and their number."""

import pytest

from hub.dataspace.metadata import file_types
from hub.dataspace.metadata.namespaces import DCAT, SPDX
from tests.hub.dataspace.metadata.test_dcat import read, record_with


def urls(record):
    return [file.download_url for file in record.distributions]


def test_a_distribution_with_several_addresses_to_download_shows_all_of_them():
    parts = [f"https://files.example/part{number}.csv" for number in (1, 2, 3)]
    stated = ", ".join(f"<{part}>" for part in parts)
    checksum = f'spdx:checksum [ spdx:checksumValue "{"ab" * 16}" ]'
    record = record_with("dcat:distribution", f"[ dcat:downloadURL {stated} ; dcat:byteSize 9 ; {checksum} ]")
    assert urls(record) == parts
    # Whose size and checksum these are is not stated.
    assert {(file.bytes, file.checksum) for file in record.distributions} == {(None, None)}
    assert {DCAT + "byteSize", SPDX + "checksum"} <= record.distributions[0].extra.keys()


def test_two_addresses_to_download_in_one_value_are_two_files():
    record = record_with("dcat:distribution", '[ dcat:downloadURL "https://a.example/x, https://b.example/y" ]')
    assert urls(record) == ["https://a.example/x", "https://b.example/y"]


def test_of_two_addresses_for_access_the_first_is_used_and_the_other_is_shown():
    two = "https://a.example/x https://b.example/y"
    [file] = record_with("dcat:distribution", f"[ dcat:accessURL <{two}> ]").distributions
    assert (file.access_url, file.extra[DCAT + "accessURL"]) == ("https://a.example/x", ({"@id": two},))


@pytest.mark.parametrize(
    ("address", "statement", "is_file"),
    [
        ("https://x.example/a.csv", "", True),
        ("https://x.example/a.csv.gz?x=1", "", True),
        ("https://x.example/a%20b.XLSX", "", True),
        ("https://x.example/a.parquet", "", True),
        ("s3://bucket/a.nc", "", True),
        ("https://x.example/get/42", "text/csv", True),
        ("https://x.example/get/42", "Zipped CSV", True),
        ("https://x.example/dataset/1/resource/2/download", "CSV", True),
        ("https://x.example/api/datasets/x/exports/csv", "CSV", True),
        ("https://x.example/wfs?request=GetFeature&outputFormat=csv", "CSV", True),
        ("https://x.example/get/42", "", False),
        ("https://x.example/page.html", "CSV", False),
        ("https://x.example/show.php?id=3", "CSV", False),
        ("https://x.example/a.csv", "HTML", False),
        ("https://x.example/dataset/air", "CSV", False),
        ("https://x.example/", "CSV", False),
        ("https://data.zip", "CSV", False),
        ("https://x.example/wfs", "SHP", False),
        ("https://x.example/geo", "OGC:WFS", False),
        ("https://x.example/geo", "ESRI REST", False),
        ("https://x.example/a", "HttpData-PULL", False),
    ],
)
def test_an_address_is_a_file_by_its_name_or_by_the_statements_about_it(address, statement, is_file):
    assert file_types.is_file_address(address, statement) is is_file
    format_of_file = f'; dct:format "{statement}"' if statement else ""
    [file] = record_with("dcat:distribution", f"[ dcat:accessURL <{address}> {format_of_file} ]").distributions
    assert (file.access_url, file.download_url) == (address, address if is_file else "")


def test_a_service_is_no_file_and_an_address_to_download_comes_first():
    record = record_with(
        "dcat:distribution", "[ dcat:accessURL <https://x.example/a.csv> ; dcat:downloadURL <https://y.example/b.csv> ]"
    )
    assert urls(record) == ["https://y.example/b.csv"]
    service = "dcat:accessService [ dcat:endpointURL <https://x.example/api.json> ]"
    record = record_with("dcat:distribution", f"[ dcat:accessURL <https://x.example/api.json> ; {service} ]")
    assert urls(record) == [""]


@pytest.mark.parametrize(("files", "files_read", "stated"), [(420, 200, 420), (200, 200, None), (201, 200, 201)])
def test_the_first_200_files_are_kept_and_their_number_is_said(files, files_read, stated):
    several = ", ".join(f"[ dcat:downloadURL <https://files.example/{number}.tif> ]" for number in range(files))
    record = record_with("dcat:distribution", several)
    assert (len(record.distributions), record.distributions_stated) == (files_read, stated)


def test_addresses_to_download_of_one_distribution_are_counted_as_files():
    several = ", ".join(f"<https://files.example/{number}.tif>" for number in range(150))
    record = record_with("dcat:distribution", f"[ dcat:downloadURL {several} ], [ dcat:downloadURL {several} ], [], []")
    assert (len(record.distributions), record.distributions_stated) == (200, 302)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        *(("<urn:unexplained:HttpData-PULL>", "HttpData-PULL"), ("<https://c.example/HttpData-PULL>", "HttpData-PULL")),
        *(('"AmazonS3-PUSH"', "AmazonS3-PUSH"), ("<https://w3id.org/dspace/2024/1/s3+push>", "s3+push")),
        *(("<urn:unexplained:CSV>", "CSV"), ("<urn:unexplained:text/csv>", "CSV")),
        *(("<urn:unexplained:MyFile>", "MyFile"), ('"HttpProxy-pull"', "HttpProxy-pull")),
    ],
)  # fmt: skip
def test_formats_of_connectors_have_their_own_names(stated, expected):
    [file] = record_with("dcat:distribution", f"[ dct:format {stated} ]").distributions
    assert file.format == expected


@pytest.mark.parametrize(
    ("name", "title"), [("_:x", "Without a title"), ("<https://x.example/.well-known/genid/1>", "Without a title")]
)
def test_the_name_of_a_blank_node_is_no_title(name, title):
    from hub.dataspace.metadata import dcat
    from tests.hub.dataspace.metadata.test_dcat import turtle

    nodes = turtle(f"{name} a dcat:Dataset ; dcat:identifier <https://files.example/dump.nt.gz> .")
    [identity] = nodes.known
    assert dcat.record(identity, nodes).title == {"en": title}


def test_terms_of_the_older_namespace_count_after_those_of_the_newer():
    dc = "<http://purl.org/dc/elements/1.1/{}>".format
    older = f'{dc("title")} "Tram stops"@en ; {dc("description")} "All"@en ; {dc("publisher")} "City"'
    record = read(f"x:d a dcat:Dataset ; {older} .")
    assert (record.title, record.description, record.publisher.name) == (
        {"en": "Tram stops"}, {"en": "All"}, {"und": "City"}
    )  # fmt: skip
    both = read(f'x:d a dcat:Dataset ; {older} ; dct:title "Stops"@en ; dct:publisher [ foaf:name "Land" ] .')
    assert (both.title, both.publisher.name) == ({"en": "Stops"}, {"und": "Land"})
