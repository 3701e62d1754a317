"""What a record has to state to count as a high-value dataset of the EU."""

import pytest

from hub.dataspace.metadata.high_value import is_high_value
from hub.dataspace.models import Record

DCATAP = "http://data.europa.eu/r5r/"
REGULATION = "http://data.europa.eu/eli/reg_impl/2023/138"


@pytest.mark.parametrize(
    ("extra", "is_one"),
    [
        ({"hvdCategory": ({"@id": "http://data.europa.eu/bna/c_ac64a52d"},)}, True),
        ({"hvdCategory": ({"@value": ""},)}, False),
        ({"applicableLegislation": ({"@id": f"{REGULATION}/oj"},)}, True),
        ({"applicableLegislation": ({"@id": f"{REGULATION}/"},)}, True),
        ({"applicableLegislation": ({"@id": "http://data.europa.eu/eli/reg/2022/868"}, {"@value": REGULATION})}, True),
        ({"applicableLegislation": ({"@id": f"{REGULATION}9/oj"},)}, False),
        ({"applicableLegislation": ({"@id": "http://data.europa.eu/eli/reg/2022/868"},)}, False),
        ({"applicableLegislation": ({},)}, False),
        ({}, False),
    ],
)
def test_a_record_says_so_by_category_or_legislation(extra, is_one):
    record = Record(uri="x", kind="dataset", extra={DCATAP + name: values for name, values in extra.items()})
    assert is_high_value(record) is is_one
