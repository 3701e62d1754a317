"""What the programme publishes about a mode, in sentences (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from hub.calls.models import AccessMode, Amount
from hub.formats import quantity


def facts(mode: AccessMode) -> Iterator[tuple[str, str]]:
    """Sentences on amounts and further facts, each with the id of its source."""
    for amount in mode.amounts:
        yield f"Amount: {in_words(amount)}.", amount.source
    for remark in mode.remarks:
        yield remark.text, remark.source


def in_words(amount: Amount) -> str:
    """``up to 5 000 GPU hours, a fixed package``."""
    bounds = [quantity(bound) for bound in (amount.at_least, amount.up_to) if bound is not None]
    first = "at least " if amount.up_to is None else "up to " if amount.at_least is None else ""
    size = f"{first if bounds else ''}{' to '.join(bounds)} {amount.unit}".strip()
    return f"{size}, {amount.remark}" if amount.remark else size
