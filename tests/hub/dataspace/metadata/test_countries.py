"""Countries by address, code and name; unknown places are none."""

import pytest

from hub.dataspace.metadata.countries import country
from hub.dataspace.metadata.vocabularies import facet_label

AUTHORITY = "http://publications.europa.eu/resource/authority"


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (f"{AUTHORITY}/country/BEL", "BEL"),
        (f"{AUTHORITY}/place/BEL_BRU", "BEL"),
        (f"{AUTHORITY}/country/ZZZ", None),
        (f"{AUTHORITY}/language/DEU", None),
        ("http://data.europa.eu/nuts/code/EL30", "GRC"),
        ("http://data.europa.eu/nuts/code/BE21", "BEL"),
        ("https://example.org/country/BEL", None),
        ("Belgien", "BEL"),
        ("ČESKO", "CZE"),
        ("GR", "GRC"),
        ("UK", "GBR"),
        ("FR", "FRA"),  # not a former code
        ("DE", "DEU"),
        ("RO", "ROU"),
        ("XX", None),
        ("Ghent", None),
        ("be", None),  # a word of several languages
        ("POINT(1 2)", None),
        ("x" * 2000, None),
        ("", None),
    ],
)
def test_a_place_is_in_a_country_or_that_is_unknown(place, code):
    assert country(place) == code


def test_a_country_is_named_in_the_readers_language():
    assert facet_label("country", "BEL", "de") == "Belgien"
    assert facet_label("country", "BEL", "zh") == "Belgium"
    assert facet_label("country", "QQQ", "de") == "QQQ"
