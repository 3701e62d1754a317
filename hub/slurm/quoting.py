"""Values on their way into a job script."""

from __future__ import annotations

import re

from hub.errors import InvalidInput

_WORD = re.compile(r"[A-Za-z0-9_./,:=@+-]*\Z")


def word(value: object, *, required: bool = False) -> str:
    """``value`` as one harmless word of a directive or a shell line.

    :param required: an empty value is refused, too.
    :raises InvalidInput: it is anything else.
    """
    text = str(value)
    if not _WORD.match(text) or (required and not text):
        raise InvalidInput(f"{text[:40]!r} cannot be part of a job script.")
    return text
