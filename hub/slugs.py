"""A title as a part of addresses and of names of folders and OS groups."""

from __future__ import annotations

from slugify import slugify


def slug_of(title: str, longest: int = 0) -> str:
    """``title`` in lower-case Latin letters, digits and hyphens; empty when it has no letter and no digit.

    :param longest: characters at most, 0 for any number.
    """
    # The backend is named because slugify prefers another one, with other spellings, wherever that is installed.
    return slugify(
        title, max_length=longest, entities=False, decimal=False, hexadecimal=False, backend="text-unidecode"
    )
