"""Single values of a catalogue: text without control characters, links, language tags, mailboxes and sizes.

Pure functions, used by everything that makes records out of nodes. A value of the wrong form gives nothing, no error.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hub.dataspace.metadata import vocabularies
from hub.dataspace.metadata.namespaces import Term

LONGEST_LINK = 2000
_LINK_SCHEMES = {"http", "https", "s3"}
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, characters that turn the direction of the text after them, and halves of surrogate pairs."""
_SIZE_UNITS = {
    **{"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12},
    **{"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40},
}


def clean(text: str) -> str:
    """The text without control characters and direction marks, and without white space around it."""
    return _CONTROLS.sub("", str(text)).strip()


def is_link(value: str) -> bool:
    """Whether an address may be used as a link: http, https or s3, with a host, without characters that end a tag."""
    if re.search(r"[\s<>\"{}|\\^`]", value) or len(value) > LONGEST_LINK:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme.lower() in _LINK_SCHEMES and bool(parts.hostname)
    except ValueError:
        return False


def language_tag(term: Term) -> str:
    """BCP 47 tag of a literal, with the two-letter code of a language that has one: ``deu`` becomes ``de``."""
    tag = (term[2] or "und").lower().replace("_", "-")[:20]
    language, dash, rest = tag.partition("-")
    if len(language) != 3 or language == "und":
        return str(tag)
    return (vocabularies.language(language) or language) + dash + rest


def mailbox(text: str) -> str:
    """An e-mail address, or an empty text. Without ``mailto:`` it is often the last part of a web address."""
    address = re.sub("^mailto:", "", clean(text), flags=re.I).partition("?")[0].strip()
    if is_link(address):
        address = address.rsplit("/", 1)[-1]
    return address[:200] if re.fullmatch(r"[^@\s<>\"'/:]+@[^@\s<>\"'/:]+", address) else ""


def byte_size(text: str) -> int | None:
    """Bytes: a plain number, one with commas between thousands, or one with a unit."""
    match = re.fullmatch(r"([\d.,]+(?:e\+?\d+)?)\s*([kmgt]i?)?(?:b|o|bytes?|octets?)?", text.strip().lower())
    if not match:
        return None
    digits = match[1].replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d*)?", match[1]) else match[1]
    try:
        size = int(float(digits.replace(",", ".")) * _SIZE_UNITS[match[2] or ""])
    except (ValueError, OverflowError):
        return None
    return size if 0 <= size < 2**60 else None
