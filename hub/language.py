"""The reader's language: a gettext catalogue, chosen for each request.

Standard library only, so that every environment can import it. Catalogues lie in
``hub/locale/LANG/LC_MESSAGES/atrium.mo`` (see hub/locale/README.md); without one, texts stay English.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations, find
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
ENGLISH = "en"
COOKIE = "atrium-language"
"""Cookie with the reader's own choice, which overrides the browser's languages."""

_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2,4})?\Z")
_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def current() -> str:
    """Language of the current request; tasks that it starts inherit it."""
    return _current.get()


def use(language: str) -> None:
    """Set the language for the rest of the request."""
    _current.set(language)


def choose(accepted: str, own: str = "") -> str:
    """The reader's preferred language among those with a catalogue.

    :param accepted: the header ``Accept-Language``; whatever it holds, this cannot raise.
    :param own: the cookie's value, if any.
    """
    for tag in (own, *_accepted_tags(accepted)):
        for name in (tag.replace("-", "_"), tag[:2].lower()):
            if name == ENGLISH or name in catalogues():
                return name
    return ENGLISH


def translate(text: str) -> str:
    """``text`` in the reader's language of this moment."""
    return _catalogue(current()).gettext(text)


def translate_many(singular: str, plural: str, count: int) -> str:
    """``singular`` or ``plural``, as the reader's language counts."""
    return _catalogue(current()).ngettext(singular, plural, count)


def mark(text: str) -> str:
    """Mark a text for the catalogue; the caller translates it when it is shown."""
    return text


@lru_cache(maxsize=1)
def catalogues() -> frozenset[str]:
    """Languages with a catalogue, besides English."""
    return frozenset(path.parts[-3] for path in LOCALE.glob("*/LC_MESSAGES/atrium.mo"))


@lru_cache(maxsize=16)
def _catalogue(language: str) -> NullTranslations:
    path = find("atrium", str(LOCALE), [language]) if language != ENGLISH else None
    if path is None:
        return NullTranslations()
    with Path(path).open("rb") as file:
        return GNUTranslations(file)


def _accepted_tags(accepted: str) -> list[str]:
    """Tags of ``Accept-Language``, preferred first."""
    weighed = []
    for part in accepted[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighed, key=lambda item: -item[0]) if weight > 0 and _TAG.match(tag)]


def duration(seconds: float) -> str:
    """``40 s``, ``6 min``, ``2 h 30 min``, ``3 days``."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return translate("{n}\u202fs").format(n=round(max(0.0, seconds)))
    if minutes < 60:
        return translate("{n}\u202fmin").format(n=minutes)
    if minutes < 48 * 60:
        whole = translate("{n}\u202fh").format(n=minutes // 60)
        return f"{whole} {duration(60 * (minutes % 60))}" if minutes % 60 else whole
    days = round(minutes / 1440)
    return translate_many("{n} day", "{n} days", days).format(n=days)
