"""Addresses as catalogues write them, mended where that is unambiguous. Pure functions.

What cannot be mended is no address that can be used; it is shown as it is stated.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from hub.dataspace.metadata.literals import LONGEST_LINK, clean, is_link

_LONGEST_VALUE = 2 * LONGEST_LINK
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_BETWEEN_ADDRESSES = re.compile(r"(?:(?<!\s)\s*[,;|]\s+|(?<!\s)\s+|[,;|](?=[^?]*\Z))(?=(?:https?|s3|ftps?)://)", re.I)
"""What separates two addresses in one value. Without white space it may belong to the query of the first."""
_SCHEMES = (
    (re.compile(r"(?:https?:/{1,2})+(?=https?://)", re.I), ""),
    (re.compile(r"(?:h{0,2}t{1,3}ps|htp+s):{1,2}[/\\]{1,2}(?=[^/\\])", re.I), "https://"),
    (re.compile(r"(?:h{0,2}t{1,3}p|htpp):{1,2}[/\\]{1,2}(?=[^/\\])", re.I), "http://"),
    (re.compile(r"(https?)//(?=[^/\\])", re.I), r"\1://"),
    (re.compile(r"(?://)?(?=(?:www\.[\w-]+\.|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?::\d+)?/)[^@]*\Z)", re.I), "https://"),
    (re.compile(r"//(?=[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\Z)", re.I), "https://"),
)
"""Beginnings with a slip in them, and without a scheme -> as they are meant. The first that matches is used."""
_RELATIVE = re.compile(r"https?://[^/?#]*(?<!\.files)\.invalid(?=[:/?#]|\Z)", re.I)
"""An address without a host, in a file that has none itself, unless it may name a file of this machine
(:func:`hub.dataspace.local_files.base_address`)."""


def addresses(value: str) -> list[str]:
    """All addresses in a value, mended; what is left of it that is none stays as it is stated."""
    if len(value) > _LONGEST_VALUE:
        return [clean(value[:LONGEST_LINK])]
    stated = re.sub(r"\A(?:<(.*)>|\"(.*)\"|'(.*)')\Z", r"\1\2\3", _INVISIBLE.sub("", clean(value)), flags=re.S)
    stated = re.sub(r"(?<! ) *[\t\r\n]+ *(?!\w+://)", "", stated)  # browsers leave out line breaks and tabs, too
    parts = list(filter(None, (part.strip(" \t\r\n,;") for part in _BETWEEN_ADDRESSES.split(stated))))
    # Of several parts, one with a space in it may be an address with some words after it.
    return [part if len(parts) > 1 and re.search(r"\s", part) else _mended(part) or part for part in parts]


def usable(value: str) -> list[str]:
    """The addresses in a value that may be used as links."""
    return [address for address in addresses(value) if _is_usable(address)]


def unusable(value: str) -> list[str]:
    """What a value states as an address and that cannot be used as a link."""
    return [address for address in addresses(value) if not _is_usable(address)]


def _is_usable(address: str) -> bool:
    return is_link(address) and not _RELATIVE.match(address)


def _mended(part: str) -> str:
    """The address that a text stands for, or an empty text."""
    text = part
    for beginning, right in _SCHEMES:
        if (match := beginning.match(text)) is not None:
            text = match.expand(right) + text[match.end() :]
            break
    scheme, separator, rest = text.partition("://")
    if not separator or re.search(r"\s", re.split("[/?#]", rest)[0]):
        return ""
    path, query, parameters = rest.partition("?")
    rest = path.replace("\\", "/") + query + parameters  # as browsers do
    address = scheme.lower() + separator + re.sub(r"\s|[\"<>\\^`{|}]", lambda match: quote(match[0]), rest)
    return address if _is_usable(address) else ""
