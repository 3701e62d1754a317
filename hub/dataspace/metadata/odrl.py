"""ODRL policies as sentences. Pure. A rule that is not understood is shown verbatim and allows nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hub.dataspace.metadata.namespaces import ODRL
from hub.dataspace.models import Record, Sentence

Tree = dict[str, Any]

_RULES = {"permission": "permission", "prohibition": "prohibition", "obligation": "duty", "duty": "duty"}
_OPENINGS = {"permission": "You may", "prohibition": "You may not", "duty": "You must"}
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
    "event": "the event is",
    "product": "the product is",
    "version": "the version is",
    "virtualLocation": "the network location is",
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
    "hasPart": "with the part",
}
_DATES = {"lt": "before", "lteq": "on or before", "gt": "after", "gteq": "on or after", "eq": "on", "neq": "not on"}
_LOGIC = {"and": " and ", "or": " or ", "xone": " or ", "andSequence": ", and after that "}
"""ODRL's logical constraints, and the text between their parts."""
_MOST_LOGIC = 5
"""Levels of logical constraints; a deeper sentence would not be readable."""
_NOT_A_RULE = {"target", "assigner", "assignee", "uid", "hasPolicy"}
"""Parts of a policy and a rule that say what and who it is about: the record, its provider and whoever reads it."""
_DESCRIBES = ("@", "http://purl.org/dc/", "http://www.w3.org/ns/dcat#", "http://www.w3.org/2000/01/rdf-schema#")
"""Statements about a policy that are no rules: its title, its author, what it belongs to."""


class _NotUnderstood(Exception):
    """A rule has a part that is not known here."""


def sentences(policies: Sequence[Tree]) -> tuple[Sentence, ...]:
    """Every rule of some policies: permissions, prohibitions, duties, then rules that are not understood."""
    order = ("permission", "prohibition", "duty", "not-understood")
    distinct = dict.fromkeys(sentence for policy in policies for sentence in _of_policy(policy))
    return tuple(sorted(distinct, key=lambda sentence: order.index(sentence.rule)))


def _of_policy(policy: Tree) -> Iterator[Sentence]:
    for key, values in policy.items():
        name = key.removeprefix(ODRL)
        if key.startswith(_DESCRIBES) or name in _NOT_A_RULE:
            continue
        if name not in _RULES:
            yield _verbatim({key: values})
            continue
        for rule in values:
            yield from _of_rule(_RULES[name], rule)
    if not any(key.removeprefix(ODRL) in _RULES for key in policy):
        yield _verbatim(policy)


def _of_rule(kind: str, rule: Any) -> Iterator[Sentence]:
    try:
        text = _rule(kind, rule)
    except _NotUnderstood:
        yield _verbatim({ODRL + kind: [rule]})
    else:
        yield Sentence.model_validate({"rule": kind, "text": text})


def _verbatim(tree: Tree) -> Sentence:
    verbatim = json.dumps(tree, ensure_ascii=False)
    return Sentence(rule="not-understood", text="A rule that Atrium does not understand.", verbatim=verbatim[:4000])


def _rule(kind: str, rule: Any) -> str:
    if not isinstance(rule, dict):
        raise _NotUnderstood
    parts = {key.removeprefix(ODRL): values for key, values in rule.items() if not key.startswith("@")}
    unknown = parts.keys() - {"action", "constraint", "duty", "obligation", "consequence", "remedy"} - _NOT_A_RULE
    if unknown or not parts.get("action") or parts.keys() & {"consequence", "remedy"}:
        raise _NotUnderstood
    actions = _and(_action(action) for action in parts["action"])
    text = f"{_OPENINGS[kind]} {actions}"
    if constraints := parts.get("constraint"):
        # "Not if" is what a constraint on a prohibition means; "only if" on the other two.
        text += (" if " if kind == "prohibition" else ", only if ") + _and(
            _constraint(constraint) for constraint in constraints
        )
    if duties := [*parts.get("duty", ()), *parts.get("obligation", ())]:
        if kind != "permission":
            raise _NotUnderstood
        text += ", and then " + _and(f"you must {_rule('duty', duty)[len('You must ') : -1]}" for duty in duties)
    return text + "."


def _action(value: Any) -> str:
    if isinstance(value, dict) and set(value) - {"@id", "@type"}:
        raise _NotUnderstood  # a refinement narrows the action, and the sentence would not say so
    name = value.get("@id", "") if isinstance(value, dict) else value
    if not isinstance(name, str):
        raise _NotUnderstood
    text = _CC.get(name) or _ACTIONS.get(name.removeprefix(ODRL).removeprefix("odrl:"))
    if text is None:
        raise _NotUnderstood
    return text


def _constraint(value: Any, depth: int = 0) -> str:
    """A condition in words. A logical constraint is understood only if each of its parts is."""
    if not isinstance(value, dict):
        raise _NotUnderstood
    parts = {key.removeprefix(ODRL): values for key, values in value.items() if not key.startswith("@")}
    if len(parts) == 1 and parts.keys() <= _LOGIC.keys():
        return _logical(*parts.popitem(), depth)
    if parts.keys() != {"leftOperand", "operator", "rightOperand"}:
        raise _NotUnderstood
    left, operator = (_name(parts[side]) for side in ("leftOperand", "operator"))
    if left not in _OPERANDS or operator not in _OPERATORS:
        raise _NotUnderstood
    relation = (_DATES if left == "dateTime" and operator in _DATES else _OPERATORS)[operator]
    right = " or ".join(_value(value) for value in parts["rightOperand"])
    if not right:
        raise _NotUnderstood
    return " ".join(part for part in (_OPERANDS[left], relation, right) if part)


def _logical(kind: str, values: Sequence[Any], depth: int) -> str:
    """``(a or b)``: brackets wherever a reader could take it for something else."""
    leaves = [leaf for value in values for leaf in _listed(value)]
    if depth >= _MOST_LOGIC or not leaves:
        raise _NotUnderstood
    conditions = [_constraint(leaf, depth + 1) for leaf in leaves]
    text = _LOGIC[kind].join(conditions)
    if kind == "xone" and len(conditions) > 1:
        return f"exactly one of these holds: ({text})"
    return f"({text})" if len(conditions) > 1 and (depth or kind != "and") else text


def _listed(value: Any) -> Sequence[Any]:
    """Members of a list, as ODRL's context writes several values, or the single value."""
    if not isinstance(value, dict) or "@list" not in value:
        return [value]
    if value.keys() != {"@list"}:
        raise _NotUnderstood  # a list without an end, or a list that was cut
    members: Sequence[Any] = value["@list"]
    return members


def _name(values: Sequence[Any]) -> str:
    if len(values) != 1:
        raise _NotUnderstood
    name = values[0].get("@id") if isinstance(values[0], dict) else values[0]
    return str(name).removeprefix(ODRL).removeprefix("odrl:")


def _value(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    operand = value.get("@value", value.get("@id"))
    if operand is None or set(value) - {"@value", "@id", "@type", "@language"}:
        raise _NotUnderstood
    return str(operand)


def _and(parts: Iterable[str]) -> str:
    return " and ".join(parts)


def every_policy(record: Record) -> tuple[Tree, ...]:
    """Policies of the record and of its distributions."""
    return (*record.policies, *(policy for d in record.distributions for policy in d.policies))
