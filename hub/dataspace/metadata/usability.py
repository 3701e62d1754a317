"""Whether a record can be used now, from its policies, access and licence. Pure.

A file is used under what its record, itself, its service and one offer state: the strictest of these counts. Files and
offers are alternatives, so a record whose alternatives differ has no common answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hub.dataspace.metadata import odrl, rights
from hub.dataspace.metadata.vocabularies import in_language
from hub.dataspace.models import (
    Access,
    Distribution,
    Licence,
    LicenceClass,
    Record,
    Sentence,
    Terms,
    UsableNow,
    Use,
    Verdict,
)

Level = Literal["record", "file", "service"]

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
_RESTRICTED = "Access is restricted: ask the contact for it."
_CONTRACT = "It needs an agreement with the provider."
_STATED_BY: dict[Level, str] = {
    "record": "",
    "file": " The file states this.",
    "service": " The service that hands it out states this.",
}


def usable_now(record: Record, parties: AbstractSet[str] = frozenset()) -> UsableNow:
    """Whether a person can start to use a record today; the reason is the first obstacle.

    :param parties: identifiers in the profile of the person's organisation, which policies may name.
    """
    reachable = [file for file in record.distributions if file.download_url or file.access_url]
    files: list[Distribution | None] = [*(reachable or record.distributions)]
    alternatives = [use for file in files or [None] for use in _uses(record, file, parties)]
    if len({use.verdict for use in alternatives}) > 1:
        chosen = "offers" if len(files) < 2 else "files"
        return UsableNow(
            verdict=Verdict.ASK, reason=f"Its {chosen} have different terms: see which of them you can use."
        )
    strictest = max(alternatives, key=_strictness)
    return UsableNow(verdict=strictest.verdict, reason=strictest.reason, decided_by=strictest.decided_by)


def uses(record: Record, parties: AbstractSet[str] = frozenset()) -> tuple[tuple[Use, ...], ...]:
    """For each file of a record, whether a person can use it under each offer."""
    return tuple(tuple(_uses(record, file, parties)) for file in record.distributions)


def licence_of(record: Record, file: Distribution) -> Licence:
    """The licence that counts for a file: the strictest of its record's, its own and its service's."""
    return _licence(_Chain(record, file, odrl.Offer("", ()), odrl.ANYBODY)).value


def _strictness(use: Use) -> int:
    """Order of the conditions of a licence: alternatives that are all usable may have different ones."""
    reasons = list(_CONDITIONS.values())
    return reasons.index(use.reason) if use.reason in reasons else -1


# -- one file ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chain:
    """What counts for one file (None: a record without files) under one offer."""

    record: Record
    file: Distribution | None
    offer: odrl.Offer
    reader: odrl.Reader

    def levels(self) -> dict[Level, Terms]:
        """Statements of the record, the file and its service."""
        record, file = self.record, self.file
        own = Terms(
            licence=record.own_licence or record.licence,
            access=record.own_access or record.access,
            rights_in_words=record.rights_in_words,
        )
        if file is None:
            return {"record": own}
        of_file = Terms(licence=file.licence, access=file.access, rights_in_words=file.rights_in_words)
        return {"record": own, "file": of_file, "service": file.service}

    @property
    def has_address(self) -> bool:
        return self.file is not None and bool(self.file.download_url or self.file.access_url)


def _uses(record: Record, file: Distribution | None, parties: AbstractSet[str]) -> Iterator[Use]:
    of_file = (file.policies, file.service.policies) if file else ()
    addresses = (file.uri, file.download_url, file.access_url) if file else ()
    reader = odrl.Reader(frozenset(filter(None, (record.uri, *addresses))), parties)
    for offer in odrl.offers(record.policies, *of_file):
        yield _use(_Chain(record, file, offer, reader))


def _use(chain: _Chain) -> Use:
    obstacles = list(_obstacles(chain))
    licence = _licence(chain)
    first = obstacles[0] if obstacles else UsableNow(verdict=Verdict.YES, reason=_CONDITIONS[licence.value.kind])
    conditions = tuple(
        dict.fromkeys((*(obstacle.reason for obstacle in obstacles), *_statements(chain, licence.value)))
    )
    return Use(
        **first.model_dump(),
        offer=chain.offer.name,
        conditions=conditions if first.verdict == Verdict.ASK else (),
        digest=_digest(chain, conditions),
        refusal=_refusal(chain, first),
    )


def _obstacles(chain: _Chain) -> Iterator[UsableNow]:
    """What stands in the way of using a file, the most important first."""
    record = chain.record
    of_policies = odrl.verdict(chain.offer.policies, chain.reader)
    if of_policies and of_policies.verdict == Verdict.NO:
        yield of_policies
    status = json.dumps(record.extra.get("http://www.w3.org/ns/adms#status", ())).lower()
    if re.search("withdrawn|deprecated|discont", status):
        yield _ask("Its source calls it withdrawn or outdated: look for a newer one.", "record")
    access = _access(chain)
    if access.value == Access.CONTRACT:
        yield UsableNow(verdict=Verdict.ASK, reason=_CONTRACT, decided_by="offer")
    if access.value == Access.RESTRICTED:
        yield _ask(_RESTRICTED, access.level)
    if not chain.has_address and not record.landing_page:
        if record.unusable_addresses or any(file.unusable_addresses for file in record.distributions):
            reason = "Its source states an address that cannot be opened from here: see its files, or ask the contact."
            yield UsableNow(verdict=Verdict.ASK, reason=reason)
        yield UsableNow(verdict=Verdict.NO, reason="Its source does not say where to get it.")
    if of_policies and of_policies.verdict == Verdict.ASK:
        yield of_policies
    level: Level | None = next((name for name, terms in chain.levels().items() if terms.rights_in_words), None)
    if level:
        yield _ask("Its access or rights are stated in words: read them first.", level)
    licence = _licence(chain)
    if licence.value.kind in _OPEN_QUESTIONS:
        yield _ask(_OPEN_QUESTIONS[licence.value.kind], licence.level)


def _ask(reason: str, level: Level) -> UsableNow:
    return UsableNow(verdict=Verdict.ASK, reason=reason + _STATED_BY[level], decided_by=level)


class _StatedLicence(NamedTuple):
    value: Licence
    level: Level


class _StatedAccess(NamedTuple):
    value: Access
    level: Level


def _licence(chain: _Chain) -> _StatedLicence:
    """The strictest licence of the chain, and whose it is."""
    levels = chain.levels()
    strictest = rights.strictest_licence([terms.licence for terms in levels.values()])
    for level, terms in levels.items():
        if terms.licence == strictest:
            return _StatedLicence(terms.licence, level)
    return _StatedLicence(levels["record"].licence, "record")


def _access(chain: _Chain) -> _StatedAccess:
    """The strictest access of the chain, and whose statement it is; by contract if there is a policy and no address."""
    levels = chain.levels()
    strictest = rights.strictest_access(terms.access for terms in levels.values())
    level: Level = next((level for level, terms in levels.items() if terms.access == strictest), "record")
    if chain.offer.policies and not chain.has_address and strictest != Access.RESTRICTED:
        return _StatedAccess(Access.CONTRACT, "record")
    return _StatedAccess(strictest, level)


# -- what a person accepts --------------------------------------------------------------------------------------------


def _statements(chain: _Chain, licence: Licence) -> Iterator[str]:
    """Rules, licence and words of the publisher that a person has to read."""
    for sentence in odrl.sentences(chain.offer.policies, chain.reader):
        if sentence.rule != "other-asset":
            yield _as_text(sentence)
    for terms in chain.levels().values():
        yield from (f"Stated in words: “{words}”" for words in terms.rights_in_words)
    name = in_language(licence.label, "en")
    if name or licence.uri:
        yield f"Licence: {' '.join(filter(None, (name, licence.uri)))}"


def _as_text(sentence: Sentence) -> str:
    return f"{sentence.text} {sentence.verbatim}" if sentence.verbatim else sentence.text


def _digest(chain: _Chain, conditions: tuple[str, ...]) -> str:
    file = chain.file
    content = {
        "record": chain.record.uri,
        "file": [file.uri, file.download_url, file.access_url] if file else [],
        "offer": chain.offer.name,
        "policies": chain.offer.policies,
        "terms": [terms.model_dump(mode="json") for terms in chain.levels().values()],
        "conditions": conditions,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _refusal(chain: _Chain, first: UsableNow) -> str:
    """Why a file cannot be fetched even by a person who accepts its conditions; empty if it can."""
    if first.verdict == Verdict.NO:
        return first.reason
    return {Access.RESTRICTED: _RESTRICTED, Access.CONTRACT: _CONTRACT}.get(_access(chain).value, "")
