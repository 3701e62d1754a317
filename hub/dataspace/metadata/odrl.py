"""ODRL policies as sentences and as a verdict. Pure. What is not understood is shown verbatim and allows nothing.

Offers of one record are alternatives. Policies of other kinds apply together, and to each offer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

from hub.dataspace.metadata.namespaces import DC, DCAT, DCT, FOAF, ODRL, RDFS, SCHEMA, VCARD
from hub.dataspace.metadata.odrl_inheritance import SHARED, with_inherited
from hub.dataspace.metadata.odrl_words import NotUnderstood, action, constraint, identity, joined, parts_of, short
from hub.dataspace.models import Record, Sentence, UsableNow, Verdict

Tree = dict[str, Any]
RuleKind = Literal["permission", "prohibition", "duty"]

MOST_ALTERNATIVES = 20
"""Combinations of the offers of a record, a file and its service; of more, all offers count together."""
_RULES: dict[str, RuleKind] = {
    "permission": "permission",
    "prohibition": "prohibition",
    "obligation": "duty",
    "duty": "duty",
}
_MODALS = {"permission": "may", "prohibition": "may not", "duty": "must"}
_NOT_A_RULE = {*SHARED, "uid", "hasPolicy", "conflict"}
_PARTS_OF_RULE = {*SHARED, "uid", "constraint", "duty", "obligation"}
_OFFERING_TYPES = {"Policy", "Set", "Offer", "Agreement"}
"""Types of policies whose permissions hold; an agreement's hold for its assignees, a request's for nobody."""
_DESCRIBES = ("@", "http://purl.org/dc/", DCAT, RDFS)
"""Statements about an asset or a party that do not change which one it is."""
_DESCRIBES_POLICY = {
    *("@id", "@type", "@value", RDFS + "label", RDFS + "comment", RDFS + "seeAlso", RDFS + "isDefinedBy"),
    *(namespace + name for namespace in (DC, DCT) for name in (
        *("title", "alternative", "description", "abstract", "creator", "contributor", "publisher", "identifier"),
        *("issued", "created", "modified", "date", "language", "source", "subject", "format", "replaces"),
        *("isVersionOf", "hasVersion", "isFormatOf", "hasFormat"),
    )),
}  # fmt: skip
"""Statements about a policy that do not change what it permits, when or where. Others may: ``dct:valid``."""
_SAID_OF_POLICY = {
    DCT + "isReplacedBy": "This policy is replaced by another one, which counts: {}.",
    DCT + "coverage": "This policy is for one jurisdiction: {}.",
    ODRL + "profile": "This policy uses terms of a profile that Atrium does not know: {}.",
    ODRL + "inheritFrom": "This policy also has the rules of another one, which Atrium does not follow: {}.",
}
"""What a property of a policy means that Atrium names but does not follow."""
_NAMES = (FOAF + "name", VCARD + "fn", VCARD + "organization-name", RDFS + "label", SCHEMA + "name", DCT + "title")
_CONDITION = {"permission": ", only if ", "prohibition": " if ", "duty": " when "}
"""What a constraint of a rule means: a duty is fulfilled at a time at which its constraints hold."""
_BEFORE_USE = {"compensate", "pay", "obtainConsent", "reviewPolicy", "acceptTracking", "ensureExclusivity"}
"""Duties that come before the use; others may come after it."""
_KINDS = ("permission", "prohibition", "duty", "other-asset", "not-understood")
"""Kinds of sentences, in the order in which they are shown."""


@dataclass(frozen=True)
class Offer:
    """Policies that hold together. ``name`` is empty if there is no choice."""

    name: str
    policies: tuple[Tree, ...]


@dataclass(frozen=True)
class Reader:
    """Whoever reads a policy, and what for.

    ``assets``: addresses of the record or file; None: of any, so that rules name their targets.
    ``parties``: identifiers in the profile of the reader's organisation and projects, compared exactly.
    """

    assets: AbstractSet[str] | None = None
    parties: AbstractSet[str] = frozenset()


ANYBODY = Reader()


@dataclass(frozen=True)
class _Rule:
    kind: RuleKind
    text: str
    actions: AbstractSet[str] = field(default_factory=frozenset)
    """Short names of actions without refinement."""
    is_conditional: bool = False
    is_for_reader: bool = True
    """Whether it names nobody, or the reader by an exact identifier; others may be the reader, too."""


# -- sentences --------------------------------------------------------------------------------------------------------


def sentences(policies: Sequence[Tree], reader: Reader = ANYBODY) -> tuple[Sentence, ...]:
    """Every rule of some policies: permissions, prohibitions, duties, then those that allow nothing here.

    If there are several offers, each sentence names its own.
    """
    alternatives = offers(policies)
    distinct = dict.fromkeys(
        sentence.model_copy(update={"offer": offer.name})
        for offer in alternatives
        for policy in offer.policies
        for sentence in _sentences_of(policy, reader)
    )
    return tuple(sorted(distinct, key=lambda sentence: (sentence.offer, _KINDS.index(sentence.rule))))


def every_policy(record: Record) -> tuple[Tree, ...]:
    """Policies of the record, of its distributions and of their services."""
    return (*record.policies, *(policy for d in record.distributions for policy in (*d.policies, *d.service.policies)))


def offers(*levels: Sequence[Tree]) -> tuple[Offer, ...]:
    """What a person can choose from: one offer of each level (record, file, service) that has any, with all other
    policies. A single choice without a name if there is nothing to choose.
    """
    together = tuple(policy for level in levels for policy in level if not _is_offer(policy))
    choices = [tuple(policy for policy in level if _is_offer(policy)) for level in levels]
    choices = [tuple(_distinct(level)) for level in choices if level]
    combinations = list(product(*choices)) if _count(choices) <= MOST_ALTERNATIVES else [sum(choices, ())]
    if len(combinations) == 1:
        return (Offer("", (*combinations[0], *together)),)
    names = [" + ".join(_offer_name(policy, choices) for policy in combination) for combination in combinations]
    if len(set(names)) < len(names):
        names = [f"Offer {number}" for number in range(1, len(combinations) + 1)]
    return tuple(Offer(name, (*each, *together)) for name, each in zip(names, combinations, strict=True))


def _distinct(policies: Sequence[Tree]) -> Iterator[Tree]:
    for number, policy in enumerate(policies):
        if policy not in policies[:number]:
            yield policy


def _count(choices: Sequence[Sequence[Tree]]) -> int:
    count = 1
    for level in choices:
        count *= len(level)
    return count


def _is_offer(policy: Tree) -> bool:
    return "Offer" in {short(name) for name in policy.get("@type", ())}


def _offer_name(offer: Tree, choices: Sequence[Sequence[Tree]]) -> str:
    """Its address; else its number among all offers."""
    return identity(offer) or f"Offer {[policy for level in choices for policy in level].index(offer) + 1}"


def _sentences_of(policy: Tree, reader: Reader) -> Iterator[Sentence]:
    for rule in _rules(policy, reader):
        if isinstance(rule, Sentence):
            yield rule
        else:
            yield Sentence(rule=rule.kind, text=rule.text)


def _verbatim(tree: Tree, text: str = "A rule that Atrium does not understand.") -> Sentence:
    verbatim = json.dumps(tree, ensure_ascii=False)
    return Sentence(rule="not-understood", text=text, verbatim=verbatim[:4000])


def _not_followed(name: str, values: Sequence[Any]) -> Sentence:
    """A property of a policy that may change its rules."""
    template = _SAID_OF_POLICY.get(name)
    names = [identity(value) for value in values]
    if template is None or not all(names):
        return _verbatim({name: values})
    return _verbatim({name: values}, template.format(" and ".join(filter(None, names))))


# -- rules ------------------------------------------------------------------------------------------------------------


def _rules(policy: Tree, reader: Reader) -> Iterator[_Rule | Sentence]:
    """Rules of a policy; a sentence in the place of a rule that is not understood or is about something else."""
    policy = with_inherited(policy)
    shared = {name: values for key, values in policy.items() if (name := short(key)) in SHARED}
    if not _is_in_force(policy, shared):
        yield _verbatim(policy)
        return
    for key, values in policy.items():
        name = short(key)
        if key in _DESCRIBES_POLICY or name in _NOT_A_RULE:
            continue
        if name not in _RULES:
            yield _not_followed(key, values)
            continue
        for rule in values:
            yield _understood(_RULES[name], rule, shared, reader)
    if not any(short(key) in _RULES for key in policy):
        yield _verbatim(policy)


def _is_in_force(policy: Tree, shared: Tree) -> bool:
    """Whether the type of a policy says that its permissions hold; an agreement's hold for those whom it names."""
    types = {short(name) for name in policy.get("@type", ()) if name.startswith((ODRL, "odrl:"))}
    if types - _OFFERING_TYPES or _conflict(policy) is None:
        return False
    rules = (rule for key, values in policy.items() if short(key) in _RULES for rule in values)
    named = shared.get("assignee") or all(isinstance(rule, dict) and rule.get(ODRL + "assignee") for rule in rules)
    return "Agreement" not in types or bool(named)


def _conflict(policy: Tree) -> str | None:
    """The strategy if permissions and prohibitions contradict each other; None if it is not known."""
    values = next((values for key, values in policy.items() if short(key) == "conflict"), None)
    if values is None:
        return "invalid"
    names = {short(identity(value) or "") for value in values}
    return names.pop() if len(names) == 1 and names <= {"perm", "prohibit", "invalid"} else None


def _understood(kind: RuleKind, rule: Any, shared: Tree, reader: Reader) -> _Rule | Sentence:
    try:
        parts = parts_of(rule)
        for name, values in shared.items():
            parts[name] = [*parts.get(name, ()), *values]
        if {short(name) for name in rule.get("@type", ())} - {kind.capitalize(), "Rule"}:
            raise NotUnderstood
        target = _target(parts, reader)
        understood = _rule(kind, parts, reader)
    except NotUnderstood:
        return _verbatim({ODRL + kind: [rule], **{ODRL + name: values for name, values in shared.items()}})
    if not target.words:
        return understood
    if target.is_collection:
        return replace(understood, text=f"About {target.words.rstrip(',')}: {understood.text}", is_conditional=True)
    if reader.assets is None:
        return replace(understood, text=f"{understood.text[:-1]}: {target.words}.")
    return Sentence(rule="other-asset", text=f"About something else, {target.words}: {understood.text}")


@dataclass(frozen=True)
class _Target:
    words: str = ""
    """What a rule is about; empty if it is about the reader's asset."""
    is_collection: bool = False
    """Whether the reader's asset may be one of those that it is about."""


def _target(parts: Tree, reader: Reader) -> _Target:
    targets = parts.get("target", ())
    collections = [value for value in targets if _is_collection(value, "AssetCollection")]
    assets = [_plain_identity(value, {"Asset"}) for value in targets if value not in collections]
    if not targets or (reader.assets is not None and reader.assets & set(assets)):
        return _Target()
    words = [*assets, *(_member(value, {"Asset", "AssetCollection"}) for value in collections)]
    return _Target(" and ".join(words), is_collection=bool(collections))


def _plain_identity(value: Any, types: AbstractSet[str]) -> str:
    """The identifier of an asset or party that is described by nothing but names; raises NotUnderstood for others."""
    if isinstance(value, dict):
        described = {short(key) for key in value if not key.startswith(_DESCRIBES) and key not in _NAMES}
        odrl_types = {short(name) for name in value.get("@type", ()) if name.startswith((ODRL, "odrl:"))}
        if described - {"uid"} or odrl_types - types:
            raise NotUnderstood
    name = identity(value)
    if name is None:
        raise NotUnderstood
    return name


def _rule(kind: RuleKind, parts: Tree, reader: Reader) -> _Rule:
    if parts.keys() - _PARTS_OF_RULE or not parts.get("action"):
        raise NotUnderstood
    actions = [action(value) for value in parts["action"]]
    parties = [_Party.of(value) for value in parts.get("assignee", ())]
    for assigner in parts.get("assigner", ()):
        _plain_identity(assigner, {"Party"})
    is_reader = not parties or any(party.exact in reader.parties for party in parties if party.exact)
    subject = "You" if is_reader else " or ".join(party.name for party in parties)
    text = f"{subject} {_MODALS[kind]} {joined(each.words for each in actions)}"
    constraints = [constraint(value) for value in parts.get("constraint", ())]
    if constraints:
        text += _CONDITION[kind] + joined(constraints)
    duties = [*parts.get("duty", ()), *parts.get("obligation", ())]
    if duties and kind != "permission":
        raise NotUnderstood
    text += "".join(_duty(duty, subject) for duty in duties)
    return _Rule(
        kind,
        f"{text}.",
        frozenset(each.name for each in actions if not each.is_refined),
        is_conditional=bool(constraints or duties),
        is_for_reader=is_reader,
    )


def _duty(duty: Any, subject: str) -> str:
    """A duty of a permission in words; one of another party, or about another asset, is not understood."""
    parts = parts_of(duty)
    if parts.keys() & set(SHARED) - {"action"}:
        raise NotUnderstood
    rule = _rule("duty", parts, ANYBODY)
    whose = "you" if subject == "You" else "they"
    words = rule.text.removeprefix("You must ")[:-1]
    if parts.get("constraint"):
        return f", and {whose} must {words}"
    if {action(value).name for value in parts["action"]} <= _BEFORE_USE:
        return f", only after {whose} {words}"
    return f", and then {whose} must {words}"


@dataclass(frozen=True)
class _Party:
    name: str
    exact: str = ""
    """Its identifier, if the rule is about this party as a whole."""

    @classmethod
    def of(cls, value: Any) -> _Party:
        """A party, or the members of a collection, as far as they meet its refinements."""
        if _is_collection(value, "PartyCollection"):
            words = _member(value, {"Party", "PartyCollection"})
            return cls(words[0].upper() + words[1:])
        name = _plain_identity(value, {"Party"})
        return cls(name, name)


def _is_collection(value: Any, collection_type: str) -> bool:
    """Whether a party or an asset stands for members of a collection, and not for itself."""
    if not isinstance(value, dict):
        return False
    types = {short(name) for name in value.get("@type", ())}
    return collection_type in types or bool(parts_of(value).keys() & {"refinement", "source"})


def _member(collection: Tree, types: AbstractSet[str]) -> str:
    """Members of a collection, as far as they meet its refinements."""
    parts = parts_of(collection)
    names = " or ".join(identity(source) or _NAMELESS for source in parts.get("source", [collection]))
    described = {key: values for key, values in collection.items() if short(key) not in ("refinement", "source")}
    _plain_identity(described | {"@id": names}, types)
    conditions = [constraint(each) for each in parts.get("refinement", ())]
    return f"a member of {names}" + (f", only if {joined(conditions)}," if conditions else "")


_NAMELESS = "a group that the policy does not name"


# -- verdict ----------------------------------------------------------------------------------------------------------


def verdict(policies: Iterable[Tree], reader: Reader) -> UsableNow | None:
    """The strictest verdict of policies that hold together; None if nothing in them stands in the way."""
    order = (Verdict.ASK, Verdict.NO)
    obstacles = [obstacle for policy in policies if (obstacle := _obstacle(policy, reader))]
    return max(obstacles, key=lambda obstacle: order.index(obstacle.verdict), default=None)


def _obstacle(policy: Tree, reader: Reader) -> UsableNow | None:
    rules = list(_rules(policy, reader))
    if any(isinstance(rule, Sentence) and rule.rule == "not-understood" for rule in rules):
        return _ask("Part of its policy is not understood: read it first.")
    understood = [rule for rule in rules if isinstance(rule, _Rule)]
    permissions, prohibitions, duties = (
        [rule for rule in understood if rule.kind == kind] for kind in ("permission", "prohibition", "duty")
    )
    forbidding = [rule for rule in prohibitions if _is_plain_use(rule)]
    others = [rule for rule in prohibitions if rule not in forbidding]
    return (
        (_conflict_of_use(policy, permissions) if forbidding else None)
        or _limit(others, duties)
        or _missing_permission(permissions)
    )


def _conflict_of_use(policy: Tree, permissions: Sequence[_Rule]) -> UsableNow | None:
    """What a prohibition of all use means beside the permissions of a policy; None if these take precedence."""
    strategy = _conflict(policy)
    if not permissions or strategy == "prohibit":
        return UsableNow(verdict=Verdict.NO, reason="Its policy forbids using it.", decided_by="offer")
    if strategy == "perm" and any(map(_is_plain_use, permissions)):
        return None
    return _ask("Its policy both permits and forbids using it: ask the publisher.")


def _limit(prohibitions: Sequence[_Rule], duties: Sequence[_Rule]) -> UsableNow | None:
    """Duties, and prohibitions of something else, under a condition or for somebody else."""
    if any(not rule.is_for_reader and not rule.is_conditional for rule in prohibitions):
        return _ask("Its policy sets conditions: it forbids something to a party it names. See whether that is you.")
    return _ask("Its policy sets conditions: see whether you meet them.") if prohibitions or duties else None


def _missing_permission(permissions: Sequence[_Rule]) -> UsableNow | None:
    """None if the reader has an unconditional permission to use it."""
    if any(map(_is_plain_use, permissions)):
        return None
    may_use = [rule for rule in permissions if "use" in rule.actions]
    if not may_use:
        return _ask("Its policy does not plainly say that you may use it: read it first.")
    if not any(rule.is_for_reader for rule in may_use):
        return _ask("Its policy permits using it only to the parties that it names: see whether you are one of them.")
    return _ask("Its policy sets conditions: see whether you meet them.")


def _is_plain_use(rule: _Rule) -> bool:
    """Whether a rule is about all use by the reader, without a condition."""
    return "use" in rule.actions and not rule.is_conditional and rule.is_for_reader


def _ask(reason: str) -> UsableNow:
    return UsableNow(verdict=Verdict.ASK, reason=reason, decided_by="offer")
