"""Whether a record can be used now, from its policies, access and licence. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from hub.dataspace.metadata.odrl import every_policy, sentences
from hub.dataspace.models import Access, LicenceClass, Record, UsableNow, Verdict

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
    """Whether a person can start to use a record today; the reason is the first obstacle."""
    obstacle = next(_obstacles(record), None)
    return obstacle or UsableNow(verdict=Verdict.YES, reason=_CONDITIONS[record.licence.kind])


def _obstacles(record: Record) -> Iterator[UsableNow]:
    rules = sentences(every_policy(record))
    if any(rule.rule == "prohibition" and rule.text == "You may not use it." for rule in rules):
        yield UsableNow(verdict=Verdict.NO, reason="Its policy forbids using it.")
    status = json.dumps(record.extra.get("http://www.w3.org/ns/adms#status", ())).lower()
    if re.search("withdrawn|deprecated|discont", status):
        yield UsableNow(verdict=Verdict.ASK, reason="Its source calls it withdrawn or outdated: look for a newer one.")
    if record.access == Access.CONTRACT:
        yield UsableNow(verdict=Verdict.ASK, reason="It needs an agreement with the provider.")
    if record.access == Access.RESTRICTED:
        yield UsableNow(verdict=Verdict.ASK, reason="Access is restricted: ask the contact for it.")
    stated = [*record.unusable_addresses, *(a for d in record.distributions for a in d.unusable_addresses)]
    if not any(d.download_url or d.access_url for d in record.distributions) and not record.landing_page:
        if stated:
            reason = "Its source states an address that cannot be opened from here: see its files, or ask the contact."
            yield UsableNow(verdict=Verdict.ASK, reason=reason)
        yield UsableNow(verdict=Verdict.NO, reason="Its source does not say where to get it.")
    if any(rule.rule == "not-understood" for rule in rules):
        yield UsableNow(verdict=Verdict.ASK, reason="Part of its policy is not understood: read it first.")
    if any("only if" in rule.text or rule.rule == "prohibition" for rule in rules):
        yield UsableNow(verdict=Verdict.ASK, reason="Its policy sets conditions: see whether you meet them.")
    if record.licence.kind in _OPEN_QUESTIONS:
        yield UsableNow(verdict=Verdict.ASK, reason=_OPEN_QUESTIONS[record.licence.kind])
