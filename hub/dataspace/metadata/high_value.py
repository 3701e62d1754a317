"""High-value datasets of the EU (Implementing Regulation 2023/138), as DCAT-AP states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.dataspace.metadata.namespaces import DCATAP
from hub.dataspace.models import Record

_CATEGORY = DCATAP + "hvdCategory"
_LEGISLATION = DCATAP + "applicableLegislation"
_REGULATION = "eli/reg_impl/2023/138"


def is_high_value(record: Record) -> bool:
    """Whether a record states a category of high-value datasets, or that the regulation about them applies to it."""
    stated = any(map(_address, record.extra.get(_CATEGORY, ())))
    return stated or any(_names_regulation(_address(value)) for value in record.extra.get(_LEGISLATION, ()))


def _address(value: Any) -> str:
    """The address of a value, or its text."""
    if isinstance(value, Mapping):
        return str(value.get("@id") or value.get("@value") or "")
    return str(value)


def _names_regulation(address: str) -> bool:
    """``…/eli/reg_impl/2023/138``, and the same with ``/oj`` behind it."""
    return address.rstrip("/").removesuffix("/oj").endswith(f"/{_REGULATION}")
