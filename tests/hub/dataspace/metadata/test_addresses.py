"""Addresses as catalogues write them: mended where that is unambiguous, and never dropped without a word."""

import time

import pytest

from hub.dataspace.metadata import usability
from hub.dataspace.metadata.addresses import addresses, unusable, usable
from hub.dataspace.models import Verdict
from tests.hub.dataspace.metadata.test_dcat import read, record_with


@pytest.mark.parametrize(
    ("stated", "mended"),
    [
        ("https://files.example/tram stops 2024.csv", "https://files.example/tram%20stops%202024.csv"),
        ("https://files.example/a|b.csv", "https://files.example/a%7Cb.csv"),
        ("https://files.example/{1}.csv", "https://files.example/%7B1%7D.csv"),
        ('https://files.example/"onclick="alert(1)', "https://files.example/%22onclick=%22alert(1)"),
        ("https://files.example/<b>^`", "https://files.example/%3Cb%3E%5E%60"),
        ("ttps://files.example/a", "https://files.example/a"),
        ("htps://files.example/a", "https://files.example/a"),
        ("htp://files.example/a", "http://files.example/a"),
        ("http:/files.example/a", "http://files.example/a"),
        ("http//files.example/a", "http://files.example/a"),
        ("https:://files.example/a", "https://files.example/a"),
        ("http:\\\\files.example\\a", "http://files.example/a"),
        ("http://https://files.example/a", "https://files.example/a"),
        ("www.files.example/a.csv", "https://www.files.example/a.csv"),
        ("files.example/a.csv", "https://files.example/a.csv"),
        ("//files.example/a.csv", "https://files.example/a.csv"),
        ("<https://files.example/a>", "https://files.example/a"),
        ('"https://files.example/a"', "https://files.example/a"),
        ("\u200b https://files.example/a \n", "https://files.example/a"),
        ("https://files.example/a\n   /b", "https://files.example/a/b"),
        ("HTTPS://files.example/a", "https://files.example/a"),
        ("s3://bucket/a b", "s3://bucket/a%20b"),
        ("https://files.example/?u=https://b.example/", "https://files.example/?u=https://b.example/"),
        ("https://files.example/https://b.example/", "https://files.example/https://b.example/"),
        ("https://files.example/a%20b", "https://files.example/a%20b"),
    ],
)
def test_slips_that_can_be_meant_in_one_way_only_are_mended(stated, mended):
    assert (usable(stated), unusable(stated)) == ([mended], [])


@pytest.mark.parametrize(
    "stated",
    [
        *("ftp://files.example/a.csv", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "n/a", "a.csv"),
        *("https:///nohost", "http://", "hxxps://files.example/", "http://exa mple.org/x", "on request", "urn:x:1"),
        "https://x.example/" + "a" * 2000,
        *("user@host.example/x", "https://cat.invalid/a.csv", "10.1234/abc", "C:/a.csv"),
    ],
)  # fmt: skip
def test_what_is_no_address_to_open_stays_as_it_is_stated(stated):
    assert (usable(stated), unusable(stated)) == ([], [stated])


@pytest.mark.parametrize("between", [" ", ", ", "; ", " | ", "\n", ",", "|", ";"])
def test_two_addresses_in_one_value_are_two(between):
    stated = f"https://a.example/x{between}https://b.example/y"
    assert addresses(stated) == ["https://a.example/x", "https://b.example/y"]


def test_words_between_two_addresses_belong_to_none():
    stated = "https://a.example/x and https://b.example/y"
    assert (usable(stated), unusable(stated)) == (["https://b.example/y"], ["https://a.example/x and"])


def one_file(address, more=""):
    file = f"[ dcat:downloadURL <{address}> ]"
    return record_with(
        "dcat:distribution", file + f" ; dct:license <http://creativecommons.org/licenses/by/4.0/>{more}"
    )


def test_a_record_with_a_mended_address_is_usable():
    record = one_file("https://files.example/tram stops 2024.csv")
    assert record.distributions[0].download_url == "https://files.example/tram%20stops%202024.csv"
    assert usability.usable_now(record).verdict == Verdict.YES


@pytest.mark.parametrize("address", ["ftp://files.example/a.csv", "sftp://files.example/a", "javascript:alert(1)"])
def test_a_record_with_an_unusable_address_says_so_and_not_that_there_is_none(address):
    record = one_file(address)
    assert record.distributions[0].unusable_addresses == (address,)
    answer = usability.usable_now(record)
    assert (answer.verdict, "cannot be opened from here" in answer.reason) == (Verdict.ASK, True)


def test_unusable_addresses_of_a_landing_page_and_of_a_service_are_kept():
    assert record_with("dcat:landingPage", "<ftp://x.example/>").unusable_addresses == ("ftp://x.example/",)
    record = read("x:d a dcat:DataService ; dct:title 'T' ; dcat:endpointURL <ftp://x.example/> .")
    assert record.unusable_addresses == ("ftp://x.example/",)
    record = record_with("dcat:accessService", "[ dcat:endpointURL <ftp://x.example/> ]")
    assert record.distributions[0].unusable_addresses == ("ftp://x.example/",)


@pytest.mark.parametrize("part", [",", " ", "\t", "|", "http:/", "<", "www."])
def test_a_long_value_is_read_in_time(part):
    start = time.process_time()
    for length in (3900, 200_000):
        assert len(addresses(part * (length // len(part)))) <= 1
    assert time.process_time() - start < 2
