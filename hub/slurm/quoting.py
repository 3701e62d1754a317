"""Checks values that are put into a job script."""

from __future__ import annotations

import re

from hub.errors import InvalidInput

_WORD = re.compile(r"[A-Za-z0-9_./,:=@+-]*\Z")


def word(value: object, *, required: bool = False) -> str:
    """``value`` as text, if it is safe as one word of a directive or a shell line.

    :param required: whether an empty value is refused.
    :raises InvalidInput: it is not safe.
    """
    text = str(value)
    if not _WORD.match(text) or (required and not text):
        raise InvalidInput(f"{text[:40]!r} cannot be part of a job script.")
    return text
