"""What the first bytes of a file are, whatever its name, media type and record say. Pure.

Servers answer with web pages to sign in, listings of a bucket, or messages about an error where a table was expected.
Used for previews, in the sandbox, and for transfers, on the node.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection
from typing import Any, NamedTuple

from hub.dataspace.readers.pages import as_utf8

LOOKED_AT = 64 * 1024
"""Bytes of a file that are enough to know what it is."""
_BEFORE_THE_ROOT = re.compile(r"(?:\s+|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_WEB_PAGE = re.compile(r"<(?:!doctype\s+html|(?:html|head|body|script|meta|style|link|title|frameset|h1)[\s>/])", re.I)
_ROOT = re.compile(r"<(?:!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>\s*)?(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)
_LISTINGS = {"ListBucketResult", "ListAllMyBucketsResult", "ListVersionsResult", "EnumerationResults"}
_REPORTS = {"Error", "ServiceExceptionReport", "ExceptionReport", "Fault"}
_MESSAGE = re.compile(r"<(?:[\w.-]+:)?(?:Message|ServiceException|ExceptionText|faultstring)\b[^>]*>([^<]+)<", re.I)
_CODE = re.compile(r"<(?:[\w.-]+:)?(?:Code|Message|ServiceException|Exception|faultstring)\b", re.I)
_WEB_TYPES = {"HTML", "HTM", "XHTML", "HTML_SIMPL", "PHP", "ASP", "ASPX", "JSP"}
_JSON_TYPES = {"JSON", "GEOJSON", "JSONL", "NDJSON", "JSON_LD", "JSONLD", "TOPOJSON", "IPYNB"}
_SIGNATURES = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"PARE", "an encrypted Parquet file"),
    (b"\x89PNG", "a picture"),
    (b"GIF8", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"II*\x00", "a picture"),
    (b"MM\x00*", "a picture"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"CDF\x01", "a NetCDF file"),
    (b"CDF\x02", "a NetCDF file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document"),
    (b"ARROW1", "an Arrow file"),
)


class Content(NamedTuple):
    """``name``: such as ``a web page``. ``replaces_data``: a server sends this instead of the file."""

    name: str
    replaces_data: bool = False
    message: str = ""
    """What an error message says."""

    def sentence(self) -> str:
        instead = ", not the file that its record describes" if self.replaces_data else ""
        message = f" It says: {self.message}" if self.message else ""
        return f"This is {self.name}{instead}.{message}"


def content_of(beginning: bytes, *, complete: bool, stated: Collection[str] = ()) -> Content | None:
    """What a file is if it is none of the types ``stated`` (codes in upper case); None if nothing speaks against them.

    :param beginning: its first :data:`LOOKED_AT` bytes or more. gzip is looked into.
    :param complete: whether this is all of it.
    """
    data, complete = _unpacked(beginning, complete=complete)
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return Content(name)
    complete = complete and len(data) <= LOOKED_AT
    text = as_utf8(data[:LOOKED_AT], "").decode(errors="replace").lstrip("\ufeff")
    body = text[_BEFORE_THE_ROOT.match(text).end() :]  # type: ignore[union-attr]
    if body.startswith("<"):
        return _markup(body, declared=text.lstrip().startswith("<?xml"), stated=set(stated))
    if body[:1] in ("{", "["):
        return _json(body, complete=complete, stated=set(stated))
    if "\0" in body:
        return Content("binary data")
    return None


def _unpacked(data: bytes, *, complete: bool) -> tuple[bytes, bool]:
    if not data.startswith(b"\x1f\x8b"):
        return data, complete
    unzip = zlib.decompressobj(wbits=31)
    try:
        return unzip.decompress(data, LOOKED_AT), complete and unzip.eof
    except zlib.error:
        return data, complete


def _markup(body: str, *, declared: bool, stated: set[str]) -> Content | None:
    if _WEB_PAGE.match(body):
        return None if stated & _WEB_TYPES else Content("a web page", replaces_data=True)
    root = _ROOT.match(body)
    name = root[1] if root else ""
    if name in _LISTINGS:
        return Content("a listing of a storage bucket", replaces_data=True)
    if name in _REPORTS and _CODE.search(body):
        message = _MESSAGE.search(body)
        return Content(
            "an error message of a server", replaces_data=True, message=_short(message[1] if message else "")
        )
    return Content("XML") if declared else None


def _json(body: str, *, complete: bool, stated: set[str]) -> Content | None:
    try:
        document = json.loads(body) if complete else None
    except (ValueError, RecursionError):
        return None
    is_json = bool(stated & _JSON_TYPES)
    if isinstance(document, dict) and (message := _error_in(document, only_a_message=not is_json)) is not None:
        return Content("an error message of a server", replaces_data=True, message=_short(message))
    if is_json or not (isinstance(document, dict | list) or re.match(r'\[\s*[\[{]|\{\s*"[^"]*"\s*:', body)):
        return None
    return Content("JSON")


def _error_in(document: dict[str, Any], *, only_a_message: bool) -> str | None:
    """The message of a JSON document that reports an error; None if it reports none.

    :param only_a_message: whether a document with nothing but a message counts as one.
    """
    values = {name.lower(): value for name, value in document.items()}
    error = next((values[name] for name in ("error", "errors", "exception", "fault") if values.get(name)), None)
    message = next((values[name] for name in ("message", "detail", "title", "description") if values.get(name)), "")
    if any(isinstance(value, list) and value and value is not error for value in values.values()):
        return None
    codes = [values.get(name) for name in ("status", "statuscode", "code")]
    has_failed = values.get("success") is False or any(re.fullmatch("[45][0-9][0-9]", str(code)) for code in codes)
    if error is True or isinstance(error, str | dict | list):
        inner = error[0] if isinstance(error, list) else error
        if isinstance(inner, dict):
            return str(
                next((inner[key] for key in ("message", "detail", "title", "reason") if inner.get(key)), message)
            )
        return str(inner if isinstance(inner, str) else message)
    if has_failed or (only_a_message and isinstance(message, str) and message and len(values) <= 3):
        return str(message)
    return None


def _short(text: str) -> str:
    """A message on one line, at most 200 characters."""
    return re.sub(r"\s+", " ", text).strip()[:200]
