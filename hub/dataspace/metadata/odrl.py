"""What one may do with it: ODRL in plain words, licences by class, and whether one can start now. Pure.

Whatever is not understood is shown as it stands and allows nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hub.dataspace.metadata.namespaces import ODRL
from hub.dataspace.metadata.vocabularies import licence_aliases
from hub.dataspace.models import Access, LicenceClass, Record, Sentence, UsableNow, Verdict

Tree = dict[str, Any]

# -- licences ---------------------------------------------------------------------------------------------------------

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
"""How sources say that they say nothing."""
_LONGEST_NAME = 300
"""What is longer is no name of a licence but its text, in which a word may stand in any sense."""


def classify(uri: str, label: str = "") -> LicenceClass:
    """What a licence comes down to, from its address and what it is called."""
    code = licence_aliases().get(uri.rstrip("/").removeprefix("https:").removeprefix("http:"), "")
    told = [re.sub(r"[\s_.]+", "-", one.strip().lower()) for one in (code, uri, label)]
    if all(re.search(_UNSTATED, words) for words in told):
        return LicenceClass.NOT_STATED
    for words in told:
        for kind, pattern in _CLASSES:
            narrows = kind in (LicenceClass.NON_COMMERCIAL, LicenceClass.BESPOKE)
            if (narrows or len(words) <= _LONGEST_NAME) and re.search(pattern, words):
                return kind
    return LicenceClass.BESPOKE


def strictest(kinds: Iterable[LicenceClass]) -> LicenceClass:
    """Of several licences the one that asks most; one that nobody knows asks more than any that is known."""
    order = list(LicenceClass)
    return max(kinds, key=order.index, default=LicenceClass.NOT_STATED)


# -- ODRL -------------------------------------------------------------------------------------------------------------

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
"""ODRL's logical constraints, and what stands between their parts."""
_MOST_LOGIC = 5
"""Levels of it: no sentence that is deeper is one that a person follows."""
_TOLD_ELSEWHERE = {"target", "assigner", "assignee", "uid", "hasPolicy"}
"""Parts of a policy and a rule that say what and who it is about: the record, its provider and whoever reads it."""
_DESCRIBES = ("@", "http://purl.org/dc/", "http://www.w3.org/ns/dcat#", "http://www.w3.org/2000/01/rdf-schema#")
"""Statements about a policy that are no rules: its title, its author, what it belongs to."""


class _NotUnderstood(Exception):
    pass


def sentences(policies: Sequence[Tree]) -> tuple[Sentence, ...]:
    """Every rule of some policies, in the order permissions, prohibitions, duties, what is not understood."""
    order = ("permission", "prohibition", "duty", "not-understood")
    found = dict.fromkeys(sentence for policy in policies for sentence in _of_policy(policy))
    return tuple(sorted(found, key=lambda sentence: order.index(sentence.rule)))


def _of_policy(policy: Tree) -> Iterator[Sentence]:
    for key, values in policy.items():
        name = key.removeprefix(ODRL)
        if key.startswith(_DESCRIBES) or name in _TOLD_ELSEWHERE:
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
    shown = json.dumps(tree, ensure_ascii=False)
    return Sentence(rule="not-understood", text="A rule that Atrium does not understand.", verbatim=shown[:4000])


def _rule(kind: str, rule: Any) -> str:
    if not isinstance(rule, dict):
        raise _NotUnderstood
    parts = {key.removeprefix(ODRL): values for key, values in rule.items() if not key.startswith("@")}
    unknown = parts.keys() - {"action", "constraint", "duty", "obligation", "consequence", "remedy"} - _TOLD_ELSEWHERE
    if unknown or not parts.get("action") or parts.keys() & {"consequence", "remedy"}:
        raise _NotUnderstood
    actions = _and(_action(action) for action in parts["action"])
    text = f"{_OPENINGS[kind]} {actions}"
    if constraints := parts.get("constraint"):
        # "Not if" is what a constraint on a prohibition means; "only if" on the other two.
        text += (" if " if kind == "prohibition" else ", only if ") + _and(_constraint(one) for one in constraints)
    if duties := [*parts.get("duty", ()), *parts.get("obligation", ())]:
        if kind != "permission":
            raise _NotUnderstood
        text += ", and then " + _and(f"you must {_rule('duty', duty)[len('You must ') : -1]}" for duty in duties)
    return text + "."


def _action(value: Any) -> str:
    if isinstance(value, dict) and set(value) - {"@id", "@type"}:
        raise _NotUnderstood  # a refinement narrows the action, which the sentence must not hide
    name = value.get("@id", "") if isinstance(value, dict) else value
    if not isinstance(name, str):
        raise _NotUnderstood
    words = _CC.get(name) or _ACTIONS.get(name.removeprefix(ODRL).removeprefix("odrl:"))
    if words is None:
        raise _NotUnderstood
    return words


def _constraint(value: Any, depth: int = 0) -> str:
    """A condition in words. A logical one holds others, and is understood only if each of them is."""
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
    said = (_DATES if left == "dateTime" and operator in _DATES else _OPERATORS)[operator]
    right = " or ".join(_value(one) for one in parts["rightOperand"])
    if not right:
        raise _NotUnderstood
    return " ".join(word for word in (_OPERANDS[left], said, right) if word)


def _logical(kind: str, values: Sequence[Any], depth: int) -> str:
    """``(a or b)``: brackets wherever a reader could take it for something else."""
    leaves = [leaf for value in values for leaf in _listed(value)]
    if depth >= _MOST_LOGIC or not leaves:
        raise _NotUnderstood
    words = [_constraint(leaf, depth + 1) for leaf in leaves]
    text = _LOGIC[kind].join(words)
    if kind == "xone" and len(words) > 1:
        return f"exactly one of these holds: ({text})"
    return f"({text})" if len(words) > 1 and (depth or kind != "and") else text


def _listed(value: Any) -> Sequence[Any]:
    """Members of a list, which ODRL's context makes of these, or the one thing that is none."""
    if not isinstance(value, dict) or "@list" not in value:
        return [value]
    if value.keys() != {"@list"}:
        raise _NotUnderstood  # it does not end, or was cut
    found: Sequence[Any] = value["@list"]
    return found


def _name(values: Sequence[Any]) -> str:
    if len(values) != 1:
        raise _NotUnderstood
    name = values[0].get("@id") if isinstance(values[0], dict) else values[0]
    return str(name).removeprefix(ODRL).removeprefix("odrl:")


def _value(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    told = value.get("@value", value.get("@id"))
    if told is None or set(value) - {"@value", "@id", "@type", "@language"}:
        raise _NotUnderstood
    return str(told)


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)


# -- usable now? ------------------------------------------------------------------------------------------------------

_CONDITIONS = {
    LicenceClass.OPEN: "The licence sets no conditions.",
    LicenceClass.ATTRIBUTION: "Name the source when you use it.",
    LicenceClass.SHARE_ALIKE: "Name the source, and pass on what you make from it under the same licence.",
}
_OPEN_QUESTIONS = {
    LicenceClass.NON_COMMERCIAL: "Only for non-commercial use: companies ask the publisher.",
    LicenceClass.BESPOKE: "The publisher has terms of its own: read them first.",
    LicenceClass.NOT_STATED: "No licence is stated: ask the publisher.",
}


def usable_now(record: Record) -> UsableNow:
    """Whether somebody can start with it today; the reason is the first thing that stands in the way."""
    obstacle = next(_obstacles(record), None)
    return obstacle or UsableNow(verdict=Verdict.YES, reason=_CONDITIONS[record.licence.kind])


def _obstacles(record: Record) -> Iterator[UsableNow]:
    told = sentences(every_policy(record))
    if any(s.rule == "prohibition" and s.text == "You may not use it." for s in told):
        yield UsableNow(verdict=Verdict.NO, reason="Its policy forbids using it.")
    status = json.dumps(record.extra.get("http://www.w3.org/ns/adms#status", ())).lower()
    if re.search("withdrawn|deprecated|discont", status):
        yield UsableNow(verdict=Verdict.ASK, reason="Its source calls it withdrawn or outdated: look for a newer one.")
    if record.access == Access.CONTRACT:
        yield UsableNow(verdict=Verdict.ASK, reason="It needs an agreement with the provider.")
    if record.access == Access.RESTRICTED:
        yield UsableNow(verdict=Verdict.ASK, reason="Access is restricted: ask the contact for it.")
    if not any(d.download_url or d.access_url for d in record.distributions) and not record.landing_page:
        yield UsableNow(verdict=Verdict.NO, reason="Its source does not say where to get it.")
    if any(s.rule == "not-understood" for s in told):
        yield UsableNow(verdict=Verdict.ASK, reason="Part of its policy is not understood: read it first.")
    if any("only if" in s.text or s.rule == "prohibition" for s in told):
        yield UsableNow(verdict=Verdict.ASK, reason="Its policy sets conditions: see whether you meet them.")
    if record.licence.kind in _OPEN_QUESTIONS:
        yield UsableNow(verdict=Verdict.ASK, reason=_OPEN_QUESTIONS[record.licence.kind])


def every_policy(record: Record) -> tuple[Tree, ...]:
    """Policies of the record and of its distributions."""
    return (*record.policies, *(policy for d in record.distributions for policy in d.policies))
