"""Words for ODRL's actions and constraints. Pure. What is not known here raises :class:`NotUnderstood`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hub.dataspace.metadata.namespaces import ODRL, RDF

_ACTIONS = {
    "use": "use it",
    "read": "read it",
    "display": "display it",
    "present": "present it",
    "distribute": "distribute it",
    "reproduce": "copy it",
    "derive": "make something new from it",
    "modify": "change it",
    "aggregate": "combine it with other data",
    "analyze": "analyse it",
    "anonymize": "anonymise it",
    "archive": "archive it",
    "index": "index it",
    "extract": "extract parts of it",
    "stream": "stream it",
    "transfer": "hand the right over",
    "sell": "sell it",
    "commercialize": "make money with it",
    "share": "share it with others",
    "attribute": "name the source",
    "inform": "inform the provider",
    "delete": "delete it",
    "compensate": "pay for it",
    "obtainConsent": "obtain consent",
    "reviewPolicy": "have the terms reviewed",
    "acceptTracking": "accept that use is tracked",
    "textToSpeech": "have it read aloud",
    "translate": "translate it",
    "print": "print it",
    "execute": "run it",
    "install": "install it",
    "uninstall": "remove it",
    "play": "play it",
    "write": "write to it",
    "writeTo": "write to it",
    "move": "move it",
    "give": "give it away",
    "lend": "lend it",
    "lease": "lease it",
    "license": "license it to others",
    "secondaryUse": "use it for another purpose",
    "synchronize": "use it together with other media",
    "watermark": "put a watermark into it",
    "digitize": "digitise it",
    "ensureExclusivity": "ensure that the use is exclusive",
    "include": "include it in something else",
    "nextPolicy": "pass it on under the stated policy",
    "pay": "pay for it",
    "concurrentUse": "make several copies for use at the same time",
    "grantUse": "grant its use to others",
}
_CC = {
    "http://creativecommons.org/ns#CommercialUse": "make money with it",
    "http://creativecommons.org/ns#Reproduction": "copy it",
    "http://creativecommons.org/ns#Distribution": "distribute it",
    "http://creativecommons.org/ns#DerivativeWorks": "make something new from it",
    "http://creativecommons.org/ns#Sharing": "share it with others",
    "http://creativecommons.org/ns#Attribution": "name the source",
    "http://creativecommons.org/ns#Notice": "keep the licence notice with it",
    "http://creativecommons.org/ns#ShareAlike": "pass it on under the same licence",
    "http://creativecommons.org/ns#SourceCode": "hand out the source with it",
}
_OPERANDS = {
    "spatial": "the place is",
    "dateTime": "the date is",
    "elapsedTime": "the time since the start is",
    "count": "the number of uses is",
    "purpose": "the purpose is",
    "recipient": "the recipient is",
    "industry": "the industry is",
    "language": "the language is",
    "fileFormat": "the format is",
    "payAmount": "the amount paid is",
    "deliveryChannel": "it is delivered by",
    "systemDevice": "the device is",
    "event": "it happens",
    "product": "the product is",
    "version": "the version is",
    "virtualLocation": "the network location is",
    "absolutePosition": "the position is",
    "absoluteSize": "the size is",
    "absoluteSpatialPosition": "the position in space is",
    "absoluteTemporalPosition": "the position in time is",
    "delayPeriod": "the delay is",
    "media": "the medium is",
    "meteredTime": "the time of use is",
    "percentage": "the percentage is",
    "relativePosition": "the relative position is",
    "relativeSize": "the relative size is",
    "resolution": "the resolution is",
    "spatialCoordinates": "the coordinates are",
    "timeInterval": "the interval is",
    "unitOfCount": "the unit counted is",
}
_OPERATORS = {
    "eq": "",
    "neq": "other than",
    "lt": "less than",
    "lteq": "at most",
    "gt": "more than",
    "gteq": "at least",
    "isAnyOf": "any of",
    "isNoneOf": "none of",
    "isAllOf": "all of",
    "isPartOf": "within",
    "isA": "a kind of",
    "hasPart": "one that includes",
}
_MOMENTS = {"lt": "before", "lteq": "not after", "gt": "after", "gteq": "not before", "eq": "at the moment of"}
_DATES = {"lt": "before", "lteq": "on or before", "gt": "after", "gteq": "on or after", "eq": "on", "neq": "not on"}
_TIMES = {"dateTime": _DATES, "event": _MOMENTS}
"""Operands whose values are points in time, and the words of the operators for them."""
_KNOWN_VALUES = {ODRL + "policyUsage": "the use itself", "policyUsage": "the use itself"}
_UNITS = ("http://dbpedia.org/resource/", "http://publications.europa.eu/resource/authority/currency/")
"""Vocabularies of units whose last part is a name that people know."""
_DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_PERIODS = ("year", "month", "week", "day", "hour", "minute", "second")
_LOGIC = {"and": " and ", "or": " or ", "xone": " or ", "andSequence": ", and after that "}
"""ODRL's logical constraints, and the text between their parts."""
_MOST_LOGIC = 5
"""Levels of logical constraints; a deeper sentence would not be readable."""


class NotUnderstood(Exception):
    """A part of a policy is not known here."""


def short(name: str) -> str:
    """The name of one of ODRL's terms without its namespace."""
    return name.removeprefix(ODRL).removeprefix("odrl:")


def parts_of(value: Any) -> dict[str, Sequence[Any]]:
    """Properties of a node by their short names, without its address and types."""
    if not isinstance(value, dict):
        raise NotUnderstood
    return {short(key): values for key, values in value.items() if not key.startswith("@")}


def joined(parts: Iterable[str]) -> str:
    return " and ".join(parts)


@dataclass(frozen=True)
class Action:
    name: str
    """ODRL's short name, or the address of another vocabulary."""
    words: str
    is_refined: bool = False
    """Whether only a part of the action is meant."""


def action(value: Any) -> Action:
    parts = parts_of(value) if isinstance(value, dict) else {}
    if parts.keys() - {"refinement", RDF + "value"}:
        raise NotUnderstood
    names = parts.get(RDF + "value") or [value.get("@id") if isinstance(value, dict) else value]
    name = identity(names[0]) if len(names) == 1 else None
    words = _CC.get(name or "") or _ACTIONS.get(short(name or ""))
    if words is None or name is None or parts.get("refinement") == []:
        raise NotUnderstood
    if "refinement" in parts:
        words = f"{words} (where {joined(map(constraint, parts['refinement']))})"
    return Action(short(name), words, "refinement" in parts)


def identity(value: Any) -> str | None:
    """The address or the text of a value; None if it has neither."""
    if isinstance(value, dict):
        value = value.get("@id", value.get("@value"))
    return str(value) if isinstance(value, str) and value else None


def constraint(value: Any, depth: int = 0) -> str:
    """A condition in words. A logical constraint is understood only if each of its parts is."""
    parts = parts_of(value)
    if len(parts) == 1 and parts.keys() <= _LOGIC.keys():
        return _logical(*parts.popitem(), depth)
    if parts.keys() - {"unit", "dataType"} != {"leftOperand", "operator", "rightOperand"}:
        raise NotUnderstood
    left, operator = (_name(parts[side]) for side in ("leftOperand", "operator"))
    if left not in _OPERANDS or operator not in _OPERATORS:
        raise NotUnderstood
    relation = _TIMES.get(left, {}).get(operator, _OPERATORS[operator])
    right = (" and " if operator == "isAllOf" else " or ").join(_value(value) for value in parts["rightOperand"])
    unit = " ".join(_unit(unit) for unit in parts.get("unit", ()))
    if not right:
        raise NotUnderstood
    return " ".join(part for part in (_OPERANDS[left], relation, right, unit) if part)


def _logical(kind: str, values: Sequence[Any], depth: int) -> str:
    """``(a or b)``: brackets wherever a reader could take it for something else."""
    leaves = [leaf for value in values for leaf in _listed(value)]
    if depth >= _MOST_LOGIC or not leaves:
        raise NotUnderstood
    conditions = [constraint(leaf, depth + 1) for leaf in leaves]
    text = _LOGIC[kind].join(conditions)
    if kind == "xone" and len(conditions) > 1:
        return f"exactly one of these holds: ({text})"
    return f"({text})" if len(conditions) > 1 and (depth or kind != "and") else text


def _listed(value: Any) -> Sequence[Any]:
    """Members of a list, as ODRL's context writes several values, or the single value."""
    if not isinstance(value, dict) or "@list" not in value:
        return [value]
    if value.keys() != {"@list"}:
        raise NotUnderstood  # a list without an end, or a list that was cut
    members: Sequence[Any] = value["@list"]
    return members


def _name(values: Sequence[Any]) -> str:
    if len(values) != 1:
        raise NotUnderstood
    name = values[0].get("@id") if isinstance(values[0], dict) else values[0]
    return short(str(name))


def _value(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    operand = value.get("@value", value.get("@id"))
    if operand is None or set(value) - {"@value", "@id", "@type", "@language"}:
        raise NotUnderstood
    return _KNOWN_VALUES.get(str(operand)) or _duration(str(operand)) or str(operand)


def _duration(text: str) -> str:
    """``P1DT12H`` as ``1 day 12 hours``; empty if it is no duration of that kind."""
    match = _DURATION.fullmatch(text)
    numbers = zip(match.groups(), _PERIODS, strict=True) if match else ()
    return " ".join(f"{number} {period}{'' if number == '1' else 's'}" for number, period in numbers if number)


def _unit(value: Any) -> str:
    """A unit by its name, if its vocabulary has names for people."""
    unit = _value(value)
    vocabulary, _, name = unit.rpartition("/")
    return name.replace("_", " ") if f"{vocabulary}/" in _UNITS else unit
