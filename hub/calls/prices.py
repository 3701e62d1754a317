"""What an access mode costs an applicant. Pure; used by the adviser, the pages and the PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hub.calls.eligibility import unmet
from hub.calls.models import AccessMode, ModePrice, OrganisationKind, Price, PriceAdvice, Programme

_WORDS = {Price.FREE: "free of charge", Price.PAY_PER_USE: "pay per use"}
_RATES = "Ask the factory for the rates before you apply."


def price_for(
    programme: Programme, mode: AccessMode, kind: OrganisationKind, sme: bool | None, conditions: Mapping[str, bool]
) -> PriceAdvice | None:
    """The price of a mode for an applicant; None if the mode is closed to them.

    :param sme: result of the SME test; None if it has not been taken.
    :param conditions: answers to the conditions of modes.
    """
    if kind not in mode.kinds or any(unmet(mode, kind, conditions)):
        return None
    entries = [entry for entry in mode.prices if entry.kind is kind]
    entry = next((entry for entry in entries if entry.sme in (None, sme)), None)
    if entry is not None:
        return PriceAdvice(price=entry.price, text=_sentence(entry), source=programme.source(entry.source))
    if entries and sme is None:
        return PriceAdvice(price=None, text=_undecided(entries), source=programme.source(entries[0].source))
    return PriceAdvice(price=None, text="The price is not known. Ask the factory before you apply.", source=None)


def price_of_call(
    programme: Programme, slug: str | None, kind: OrganisationKind, sme: bool | None, conditions: Mapping[str, bool]
) -> PriceAdvice | None:
    """The price of a call's mode for an applicant; None without such a call, or if its mode is closed to them."""
    call = programme.call(slug) if slug else None
    return price_for(programme, programme.mode(call.mode), kind, sme, conditions) if call else None


def _sentence(entry: ModePrice) -> str:
    result = {
        None: "",
        True: ": the SME test says that yours is an SME",
        False: ": the SME test says that yours is no SME",
    }
    if entry.price is Price.FREE:
        return f"Free of charge for you{result[entry.sme]}."
    return f"You pay per use{result[entry.sme]}. {_RATES}"


def _undecided(entries: Sequence[ModePrice]) -> str:
    """The price if the SME test decides and has not been taken."""
    whom = {True: "for SMEs and start-ups", False: "for other companies"}
    prices = ", ".join(f"{_WORDS[entry.price]} {whom[bool(entry.sme)]}" for entry in entries)
    return f"{prices[:1].upper()}{prices[1:]}. The SME test decides: enter the figures of your company."
