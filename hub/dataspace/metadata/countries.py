"""Countries: by address, code or name in any language. Codes are those of the EU's authority table (three letters)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache

from babel.core import get_global

from hub.dataspace.metadata.vocabularies import country_labels

_OWN_CODES = {"EL": "GRC", "UK": "GBR", "XK": "1A0"}
"""Codes of two letters that the EU uses differently from ISO 3166."""
_TABLE = re.compile(
    r"^https?://publications\.europa\.eu/resource/authority/(?:country|place)/([A-Z0-9]{3})(?:_[A-Z0-9]+)?$"
)
_REGION = re.compile(r"^https?://data\.europa\.eu/nuts/code/([A-Z]{2})[A-Z0-9]*$")
_LONGEST_NAME = 80


@lru_cache(maxsize=10_000)
def country(place: str) -> str | None:
    """Code of the country that a place is, or is in by its address; None if that is unknown."""
    if match := _TABLE.match(place):
        return match[1] if match[1] in country_labels() else None
    if match := _REGION.match(place):
        return _by_two_letters(match[1])
    if re.fullmatch("[A-Z]{3}", place):
        return place if place in country_labels() else None
    if re.fullmatch("[A-Z]{2}", place):
        return _by_two_letters(place)
    return _codes_by_name().get(place.casefold()) if len(place) <= _LONGEST_NAME else None


def _by_two_letters(code: str) -> str | None:
    return _OWN_CODES.get(code) or _iso_codes().get(code)


@cache
def _iso_codes() -> dict[str, str]:
    """Codes of two letters -> of three, as CLDR has them. Present countries have more names than former ones."""
    aliases: Mapping[str, list[str]] = get_global("territory_aliases")
    codes = sorted(aliases.keys() & country_labels().keys(), key=lambda code: len(country_labels()[code]))
    return {aliases[code][0]: code for code in codes}


@cache
def _codes_by_name() -> dict[str, str]:
    """Names that mean one country only."""
    codes: dict[str, set[str]] = {}
    for code, labels in country_labels().items():
        for name in labels.values():
            codes.setdefault(name.casefold(), set()).add(code)
    return {name: min(same) for name, same in codes.items() if len(same) == 1}
