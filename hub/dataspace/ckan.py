"""CKAN's JSON -> the same nodes that RDF gives. Runs in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from hub.dataspace.parsing import Unreadable, as_utf8, page_of, parsed_json

Line = dict[str, Any]
ROWS = 100
_DCT = "http://purl.org/dc/terms/"
_DCAT = "http://www.w3.org/ns/dcat#"
_FOAF = "http://xmlns.com/foaf/0.1/"
_VCARD = "http://www.w3.org/2006/vcard/ns#"
_SPDX = "http://spdx.org/rdf/terms#"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_EXTRAS = {
    "issued": _DCT + "issued",
    "modified": _DCT + "modified",
    "frequency": _DCT + "accrualPeriodicity",
    "spatial_uri": _DCT + "spatial",
    "access_rights": _DCT + "accessRights",
    "language": _DCT + "language",
    "theme": _DCAT + "theme",
    "conforms_to": _DCT + "conformsTo",
    "provenance": _DCT + "provenance",
    "publisher_name": "",
    "publisher_uri": "",
    "uri": "",
}
"""What the DCAT extension of CKAN puts among the extras."""


NO_SEARCH = {400, 403, 404, 405, 409}
"""How a site says that it has no ``package_search``; then its packages are listed and asked for one by one."""


def first_page(address: str) -> str:
    """Address of the first page, whether a site, its API or an action is named; what it asks for (``fq=…``) stays."""
    parts = urlsplit(address)
    path = parts.path.rstrip("/")
    if path.endswith("package_list"):
        return address
    path = re.sub(r"/(dataset|group|organization)$", "", path.removesuffix("/package_search"))
    if not path.endswith("/action"):
        path = f"{path}/action" if re.search(r"/api/\d$", path) else f"{path.removesuffix('/api')}/api/3/action"
    own = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("start", "rows")]
    query = urlencode([*own, ("start", 0), ("rows", ROWS)])
    return parts._replace(path=f"{path}/package_search", query=query, fragment="").geturl()


def is_first(url: str) -> bool:
    parts = urlsplit(url)
    return parts.path.endswith("/package_search") and ("start", "0") in parse_qsl(parts.query)


def list_page(url: str) -> str:
    """Where a site whose search has the address ``url`` lists its packages."""
    return urljoin(url, "package_list")


def packages(request: Line) -> Iterator[Line]:
    """Nodes of one answer of CKAN and the addresses it goes on at; a package without an id is refused.

    ``package_search`` has a page of packages, ``package_list`` the names of all, ``package_show`` one of them.
    """
    base = request["base"]
    try:
        result = parsed_json(as_utf8(page_of(request), request["media_type"]))["result"]
        if isinstance(result, list):
            for name in result:
                yield {"next": f"{urljoin(base, 'package_show')}?{urlencode({'id': _text(name)})}"}
            return
        listed = list(result["results"]) if "results" in result else [result]
        count = int(result.get("count", 0))
    except (Unreadable, KeyError, TypeError, ValueError) as error:
        yield {"refused": {"line": None, "reason": f"not an answer of CKAN: {error}"}, "whole": True}
        return
    for number, package in enumerate(listed, 1):
        if not isinstance(package, dict) or not isinstance(package.get("id"), str):
            yield {"refused": {"line": number, "reason": "a package without an id"}}
            continue
        yield from _package(package, base)
    parts = urlsplit(base)
    asked = dict(parse_qsl(parts.query))
    start = int(asked.get("start", "0")) + len(listed)
    if listed and start < count:
        yield {"next": parts._replace(query=urlencode(asked | {"start": start})).geturl()}


def _package(package: Line, base: str) -> Iterator[Line]:
    extras = {e["key"]: e.get("value") for e in package.get("extras") or () if isinstance(e, dict) and "key" in e}
    site = urljoin(base, "/")
    identity = _text(extras.get("uri")) or f"{site}dataset/{package['id']}"
    node = _Node(identity, _DCAT + "Dataset")
    node.texts(_DCT + "title", package.get("title_translated") or package.get("title") or package.get("name"))
    node.texts(_DCT + "description", package.get("notes_translated") or package.get("notes"))
    node.text(_DCT + "issued", package.get("metadata_created"))
    node.text(_DCT + "modified", extras.pop("modified", None) or package.get("metadata_modified"))
    node.text(_DCAT + "version", package.get("version"))
    node.iri(_DCAT + "landingPage", package.get("url") or f"{site}dataset/{package.get('name') or package['id']}")
    node.text(_DCT + "license", package.get("license_url") or package.get("license_title") or package.get("license_id"))
    if package.get("private"):
        node.text(_DCT + "accessRights", "restricted")
    for tag in package.get("tags") or ():
        node.text(_DCAT + "keyword", tag.get("display_name") or tag.get("name") if isinstance(tag, dict) else tag)
    for group in package.get("groups") or ():
        node.text(_DCAT + "theme", group.get("title") or group.get("name") if isinstance(group, dict) else group)
    for key, value in extras.items():
        if _EXTRAS.get(key) != "":
            node.text(_EXTRAS.get(key, f"{site}extra/{key}"), value)
    yield from _people(node, package, extras)
    for number, resource in enumerate(package.get("resources") or ()):
        if isinstance(resource, dict):
            yield from _resource(node, resource, f"{identity}#{number}")
    yield node.line()


def _people(node: _Node, package: Line, extras: Line) -> Iterator[Line]:
    organisation = package.get("organization") or {}
    name = _text(extras.get("publisher_name")) or _text(organisation.get("title")) or _text(organisation.get("name"))
    if name:
        publisher = _Node(_text(extras.get("publisher_uri")) or f"_:{node.identity}#publisher", _FOAF + "Agent")
        publisher.text(_FOAF + "name", name)
        node.link(_DCT + "publisher", publisher)
        yield publisher.line()
    email = _text(package.get("maintainer_email")) or _text(package.get("author_email"))
    person = _text(package.get("maintainer")) or _text(package.get("author"))
    if email or person:
        contact = _Node(f"_:{node.identity}#contact", _VCARD + "Kind")
        contact.text(_VCARD + "fn", person or email)
        contact.text(_VCARD + "hasEmail", email)
        node.link(_DCAT + "contactPoint", contact)
        yield contact.line()


def _resource(node: _Node, resource: Line, fallback: str) -> Iterator[Line]:
    identity = f"_:{node.identity}#{resource.get('id') or fallback}"
    found = _Node(identity, _DCAT + "Distribution")
    found.texts(_DCT + "title", resource.get("name_translated") or resource.get("name"))
    found.texts(_DCT + "description", resource.get("description_translated") or resource.get("description"))
    found.iri(_DCAT + "accessURL", resource.get("access_url") or resource.get("url"))
    found.iri(_DCAT + "downloadURL", resource.get("download_url") or _download(resource))
    found.text(_DCT + "format", resource.get("format") or resource.get("mimetype"))
    found.text(_DCAT + "byteSize", resource.get("size"))
    found.text(_DCT + "license", resource.get("license"))
    found.text(_DCT + "modified", resource.get("last_modified"))
    if digest := _text(resource.get("hash")).rpartition(":")[2]:
        checksum = _Node(f"{identity}#checksum", _SPDX + "Checksum")
        checksum.text(_SPDX + "checksumValue", digest)
        algorithm = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}.get(len(digest), "")
        checksum.iri(_SPDX + "algorithm", f"{_SPDX}checksumAlgorithm_{algorithm}")
        found.link(_SPDX + "checksum", checksum)
        yield checksum.line()
    node.link(_DCAT + "distribution", found)
    yield found.line()


def _download(resource: Line) -> Any:
    """CKAN's ``url`` is a file when CKAN holds it itself."""
    return resource.get("url") if resource.get("url_type") == "upload" else None


class _Node:
    def __init__(self, identity: str, kind: str) -> None:
        self.identity = identity
        self._predicates: dict[str, list[list[Any]]] = {_TYPE: [["i", kind]]}

    def text(self, predicate: str, value: Any, language: str | None = None) -> None:
        if _text(value):
            kind = "i" if _text(value).startswith(("http://", "https://")) and language is None else "l"
            term = ["i", _text(value)] if kind == "i" else ["l", _text(value), language, None]
            self._predicates.setdefault(predicate, []).append(term)

    def texts(self, predicate: str, value: Any) -> None:
        """A text, or one by language as the multilingual extensions have it."""
        if isinstance(value, dict):
            for language, text in value.items():
                self.text(predicate, text, language)
        else:
            self._predicates.setdefault(predicate, []).append(["l", _text(value), None, None])

    def iri(self, predicate: str, value: Any) -> None:
        if _text(value):
            self._predicates.setdefault(predicate, []).append(["i", _text(value)])

    def link(self, predicate: str, other: _Node) -> None:
        self._predicates.setdefault(predicate, []).append(["i", other.identity])

    def line(self) -> Line:
        return {"s": self.identity, "g": None, "p": self._predicates}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""
