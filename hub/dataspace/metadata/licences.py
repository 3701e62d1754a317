"""Classes of licences, from open to own terms. Pure; used by :mod:`.rights`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hub.dataspace.metadata.vocabularies import licence_aliases
from hub.dataspace.models import LicenceClass

_CLASSES: tuple[tuple[LicenceClass, str], ...] = (
    # The first that matches counts: the narrower condition before the wider one.
    (
        LicenceClass.NON_COMMERCIAL,
        r"by-?nc|non?-?commercial(?!-?allowed)|commercial(-use)?-(is-)?(not|prohibited|with-?permission)|research-only|"
        r"commercialwithpermission|commercialnotallowed|terms-(by-)?ask|ni(cht|et)-?(kommerziell|commercieel)|no-?comercial|"
        r"n[aã]o-?comercial|utilisation-commerciale|not-for-commercial|nie?komer|ikke-?kommers",
    ),
    (
        LicenceClass.BESPOKE,
        r"by-?nd|no-?deriv|keine-?bearbeit|opere-derivate|obra-?derivada|pas-de-modification|geen-?afgeleide",
    ),
    (
        LicenceClass.SHARE_ALIKE,
        r"by-?sa|share-?alike|odbl|open-database|\ba?gpl|lgpl|fdl|free-documentation|eupl|isa-oml|cc-?sa|\bmpl\b|mozilla|openstreetmap-org/copyright|"
        r"gleichen-bedingungen|stesso-modo|m[eê]mes-conditions|compartir-?igual|gelijk-?delen",
    ),
    (
        LicenceClass.OPEN,
        r"\bcc-?0|cc-?zero|publicdomain|(?<!not-in-the-)public-domain|\bcc-?pdm|pddl|dl-(de-)?zero|zero-2-0|unlicense|"
        r"wtfpl|0bsd|deutschland\W+zero|terms-open|referencenotrequired|noconditionsapply|officialwork|commons-zero",
    ),
    (
        LicenceClass.ATTRIBUTION,
        r"\bcc-?by(?![a-z])|licenses/by/|\bby-\d|attribution|odc?-?by|\bogl|open-government-licen[cs]e|dl-(de-)?by|etalab|"
        r"licence-ouverte|\blo-2|nlod|licen[cs]e-for-open-government-data|iodl-?2|com-reuse|apache|\bbsd|psi-?licen[cs]e|"
        r"^mit$|\bmit-licen[cs]e|licen[cs]es?/mit\b|kogl-1|\blov2\b|^fr-lo$|italian-open-data-licen[cs]e-v?2|geonutz|terms-by\b|referencerequired|namensnennung|"
        r"attribuzione|reconocimiento|atribu(ci|i)|naamsvermelding|gratis-hergebruik",
    ),
)
_UNSTATED = (
    r"not-?specified|unspecified|not-?stated|keine-angabe|nicht-angegeben|licentieonbekend|op-datpro|"
    r"^(unknown|none|n/a|-)?$"
)
"""Names that sources use if no licence is stated."""
_LONGEST_NAME = 300
"""Characters. A longer text is not the name of a licence but its wording, in which any term may occur."""


def classify(uri: str, label: str = "") -> LicenceClass:
    """Class of a licence, from its address and its name."""
    code = licence_aliases().get(uri.rstrip("/").removeprefix("https:").removeprefix("http:"), "")
    names = [re.sub(r"[\s_.]+", "-", name.strip().lower()) for name in (code, uri, label)]
    if all(re.search(_UNSTATED, name) for name in names):
        return LicenceClass.NOT_STATED
    for name in names:
        for kind, pattern in _CLASSES:
            narrows = kind in (LicenceClass.NON_COMMERCIAL, LicenceClass.BESPOKE)
            if (narrows or len(name) <= _LONGEST_NAME) and re.search(pattern, name):
                return kind
    return LicenceClass.BESPOKE


def strictest(kinds: Iterable[LicenceClass]) -> LicenceClass:
    """The class with the most conditions; an unknown licence counts as stricter than any known one."""
    order = list(LicenceClass)
    return max(kinds, key=order.index, default=LicenceClass.NOT_STATED)
