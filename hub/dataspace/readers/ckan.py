"""CKAN's JSON -> the same nodes that RDF gives. Runs in the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from hub.dataspace.readers.pages import Unreadable, as_utf8, page_of, parsed_json

Line = dict[str, Any]
ROWS = 100
MOST_FURTHER = 10_000
"""Further pages that the first one announces, so that a page that cannot be read does not end the harvest."""
_DCT = "http://purl.org/dc/terms/"
_DCAT = "http://www.w3.org/ns/dcat#"
_DCATAP = "http://data.europa.eu/r5r/"
_ADMS = "http://www.w3.org/ns/adms#"
_FOAF = "http://xmlns.com/foaf/0.1/"
_RDFS = "http://www.w3.org/2000/01/rdf-schema#"
_VCARD = "http://www.w3.org/2006/vcard/ns#"
_SPDX = "http://spdx.org/rdf/terms#"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_FIELDS = {
    **{key: _DCT + key for key in ("issued", "modified", "language", "provenance", "identifier", "source")},
    **{"dcat_issued": _DCT + "issued", "dcat_modified": _DCT + "modified", "dcat_type": _DCT + "type"},
    **{"frequency": _DCT + "accrualPeriodicity", "accrual_periodicity": _DCT + "accrualPeriodicity"},
    **{"access_rights": _DCT + "accessRights", "conforms_to": _DCT + "conformsTo", "rights": _DCT + "rights"},
    **{"spatial": _DCT + "spatial", "spatial_uri": _DCT + "spatial", "spatial_text": _DCT + "spatial"},
    **{"theme": _DCAT + "theme", "in_series": _DCAT + "inSeries", "documentation": _FOAF + "page"},
    **{"applicable_legislation": _DCATAP + "applicableLegislation", "hvd_category": _DCATAP + "hvdCategory"},
    **{"availability": _DCATAP + "availability", "status": _ADMS + "status", "version_notes": _ADMS + "versionNotes"},
    **{"mimetype": _DCAT + "mediaType", "media_type": _DCAT + "mediaType", "license": _DCT + "license"},
    **{"compress_format": _DCAT + "compressFormat", "package_format": _DCAT + "packageFormat"},
    **{"last_modified": _DCT + "modified", "size": _DCAT + "byteSize", "byte_size": _DCAT + "byteSize"},
}
"""Names in CKAN's DCAT extension and in schemas of portals -> DCAT's properties."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READ = _names("""
    id name title title_translated notes notes_translated description description_translated name_translated url version
    license_id license_title license_url private tags tags_translated keywords groups organization extras resources
    maintainer maintainer_email author author_email uri publisher publisher_name publisher_uri publisher_email
    publisher_url creator contact contact_points contact_name contact_email temporal_coverage temporals temporal_start
    temporal_end spatial_coverage access_url download_url format hash hash_algorithm
""")
_TECHNICAL = _names("""
    creator_user_id owner_org isopen num_resources num_tags state type metadata_created metadata_modified created
    relationships_as_object relationships_as_subject revision_id revision_timestamp cache_url cache_last_updated
    datastore_active mimetype_inner package_id position resource_type url_type webstore_url webstore_last_updated
    tracking_summary ckan_url on_same_domain display_name
""")
"""Fields about CKAN's own storage of a package, which are ignored."""

NO_SEARCH = {400, 403, 404, 405, 409}
"""Statuses of a site without ``package_search``; its packages are listed and requested one by one."""


def first_page(address: str) -> str:
    """Address of the first page of a site, its API or an action; parameters such as ``fq=…`` stay."""
    parts = urlsplit(address)
    path = parts.path.rstrip("/")
    if path.endswith("package_list"):
        return address
    path = re.sub(r"/(dataset|group|organization)$", "", path.removesuffix("/package_search"))
    if not path.endswith("/action"):
        path = f"{path}/action" if re.search(r"/api/\d$", path) else f"{path.removesuffix('/api')}/api/3/action"
    own = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("sort", "start", "rows")]
    # In another order, a package that is edited meanwhile moves to a page that was read before.
    query = urlencode([*own, ("sort", "id asc"), ("start", 0), ("rows", ROWS)])
    return parts._replace(path=f"{path}/package_search", query=query, fragment="").geturl()


def is_first(url: str) -> bool:
    """Whether this is the address of a first page."""
    parts = urlsplit(url)
    return parts.path.endswith("/package_search") and ("start", "0") in parse_qsl(parts.query)


def list_page(url: str) -> str:
    """Address of the list of packages of a site whose search has the address ``url``."""
    return urljoin(url, "package_list")


def packages(request: Line) -> Iterator[Line]:
    """Nodes of one answer of CKAN and addresses of further pages; a package without an id is refused.

    Of a search, the first line is the ``count`` of packages it states, and of how many of these no node follows.

    ``package_search`` has a page of packages, ``package_list`` the names of all, ``package_show`` one of them.
    """
    base = request["base"]
    try:
        result = parsed_json(as_utf8(page_of(request), request["media_type"]))["result"]
        listed = _listed(result)
        count = int(result.get("count", 0)) if isinstance(result, dict) else 0
    except (Unreadable, KeyError, TypeError, ValueError) as error:
        yield {"refused": {"line": None, "reason": f"not an answer of CKAN: {error}"}, "whole": True}
        return
    if count:
        yield {"count": count, "withdrawn": sum(map(_is_withdrawn, listed))}
    for number, package in enumerate(listed, 1):
        if isinstance(package, str):
            yield {"next": f"{urljoin(base, 'package_show')}?{urlencode({'id': package})}"}
            continue
        if not isinstance(package, dict) or not isinstance(package.get("id"), str):
            yield {"refused": {"line": number, "reason": "a package without an id"}}
            continue
        try:
            lines = list(_package(package, base))
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            yield {"refused": {"line": number, "reason": f"a package that cannot be read: {error}"}}
        else:
            yield from lines
    parts = urlsplit(base)
    parameters = dict(parse_qsl(parts.query))
    first, rows = int(parameters.get("start", "0")), len(listed)
    further = range(first + rows, count, rows) if rows else ()
    for start in further[:1] if first else further[:MOST_FURTHER]:
        direction = "next" if start == first + rows else "back"
        yield {direction: parts._replace(query=urlencode(parameters | {"start": start})).geturl()}


def _is_withdrawn(package: Any) -> bool:
    """Whether a package is deleted, or not published yet."""
    return isinstance(package, dict) and package.get("state") in ("deleted", "draft")


def _listed(result: Any) -> list[Any]:
    """Packages of a search, a single package, or a list of packages or names, which DKAN nests in a second list."""
    if isinstance(result, dict):
        return list(result["results"]) if "results" in result else [result]
    return [package for part in result for package in (part if isinstance(part, list) else [part])]


def _package(package: Line, base: str) -> Iterator[Line]:
    if _is_withdrawn(package):
        return
    extras = package.get("extras") or {}
    if not isinstance(extras, dict):
        extras = {e["key"]: e.get("value") for e in extras if isinstance(e, dict) and "key" in e}
    fields = package | extras
    site = base.partition("/api/")[0] + "/" if "/api/" in base else urljoin(base, "/")
    identity = _text(fields.get("uri")) or f"{site}dataset/{package['id']}"
    page = f"{site}dataset/{package.get('name') or package['id']}"
    node = _Node(identity, _DCAT + ("DatasetSeries" if package.get("type") == "dataset_series" else "Dataset"))
    node.texts(_DCT + "title", package.get("title_translated") or package.get("title") or package.get("name"))
    node.texts(
        _DCT + "description",
        package.get("notes_translated") or package.get("notes") or package.get("description"),
    )
    node.text(_DCAT + "version", package.get("version"))
    node.iri(_DCAT + "landingPage", package.get("url") if _is_address(package.get("url")) else page)
    if package.get("private") in (True, "true", "True"):
        node.text(_DCT + "accessRights", "restricted")
    for tag in package.get("tags") or ():
        node.text(_DCAT + "keyword", tag.get("display_name") or tag.get("name") if isinstance(tag, dict) else tag)
    node.texts(_DCAT + "keyword", package.get("tags_translated") or package.get("keywords"))
    for group in package.get("groups") or ():
        node.texts(_DCAT + "theme", group.get("title") if isinstance(group, dict) else group)
        node.text(_DCAT + "theme", group.get("name") if isinstance(group, dict) else None)
    node.fields(fields, site)
    node.text(_DCT + "issued", package.get("metadata_created"))
    node.text(_DCT + "modified", package.get("metadata_modified"))
    yield from _licence(node, package)
    yield from _people(node, fields)
    yield from _coverage(node, fields)
    for number, resource in enumerate(package.get("resources") or ()):
        if isinstance(resource, dict):
            yield from _resource(node, resource, f"{identity}#{number}", site)
    yield node.line()


def _licence(node: _Node, package: Line) -> Iterator[Line]:
    """Address, title and CKAN's id of the licence: any of them may be a known one."""
    url, name, code = (_text(package.get(f"license_{part}")) for part in ("url", "title", "id"))
    if url or name or code:
        licence = _Node(url if _is_address(url) else f"_:{node.identity}#licence", _DCT + "LicenseDocument")
        licence.texts(_RDFS + "label", name or code)
        licence.texts(_DCT + "identifier", code)
        node.link(_DCT + "license", licence)
        yield licence.line()


def _people(node: _Node, fields: Line) -> Iterator[Line]:
    """Publishers, creators and contacts."""

    def agents_of(prefix: str) -> list[Any]:
        """``publisher: [{name, email, …}]`` of a schema, or else ``publisher_name`` and the like."""
        agents = [value for value in _values(fields.get(prefix)) if isinstance(value, dict)]
        parts = {part: fields.get(f"{prefix}_{part}") for part in ("name", "email", "url", "uri")}
        return agents or ([parts] if any(map(_text, parts.values())) else [])

    organisation = fields["organization"] if isinstance(fields.get("organization"), dict) else {}
    publishers = agents_of("publisher") or [{"name": organisation.get("title") or organisation.get("name")}]
    contact_points = [value for value in _values(fields.get("contact_points")) if isinstance(value, dict)]
    contacts = agents_of("contact") or contact_points
    contacts = contacts or [
        {"name": fields.get(k), "email": fields.get(f"{k}_email")} for k in ("maintainer", "author")
    ]
    for predicate, kind, people in (
        (_DCT + "publisher", "publisher", publishers),
        (_DCT + "creator", "creator", agents_of("creator")),
        (_DCAT + "contactPoint", "contact", contacts),
    ):
        for number, values in enumerate(people):
            identity = _text(values.get("uri")) or f"_:{node.identity}#{kind}{number}"
            agent = _Node(identity, _VCARD + "Kind" if kind == "contact" else _FOAF + "Agent")
            agent.texts(_FOAF + "name", values.get("name") or values.get("email"))
            agent.text(_VCARD + "hasEmail", values.get("email"))
            agent.text(_FOAF + "homepage", values.get("url"))
            if values.get("name") or values.get("email") or values.get("uri"):
                node.link(predicate, agent)
                yield agent.line()


def _coverage(node: _Node, fields: Line) -> Iterator[Line]:
    """Periods and places: lists in schemas, single fields in the DCAT extension."""
    periods = [value for key in ("temporal_coverage", "temporals") for value in _values(fields.get(key))]
    periods.append({"start": fields.get("temporal_start"), "end": fields.get("temporal_end")})
    stated = (period for period in periods if isinstance(period, dict) and any(map(_text, period.values())))
    for number, period in enumerate(stated):
        period_node = _Node(f"_:{node.identity}#period{number}", _DCT + "PeriodOfTime")
        period_node.text(_DCAT + "startDate", period.get("start") or period.get("start_date"))
        period_node.text(_DCAT + "endDate", period.get("end") or period.get("end_date"))
        node.link(_DCT + "temporal", period_node)
        yield period_node.line()
    for place in _values(fields.get("spatial_coverage")):
        values = place if isinstance(place, dict) else {"text": place}
        geometry = next((values[key] for key in ("bbox", "geom", "centroid") if values.get(key)), None)
        geometry_text = json.dumps(geometry) if geometry else None
        node.text(_DCT + "spatial", values.get("text") or values.get("uri") or geometry_text)


def _resource(node: _Node, resource: Line, fallback: str, site: str) -> Iterator[Line]:
    identity = f"_:{node.identity}#{resource.get('id') or fallback}"
    distribution = _Node(identity, _DCAT + "Distribution")
    distribution.texts(_DCT + "title", resource.get("name_translated") or resource.get("name") or resource.get("title"))
    distribution.texts(_DCT + "description", resource.get("description_translated") or resource.get("description"))
    distribution.iri(_DCAT + "accessURL", resource.get("access_url") or resource.get("url"))
    distribution.iri(_DCAT + "downloadURL", resource.get("download_url") or _download(resource))
    distribution.text(_DCT + "format", resource.get("format") or resource.get("mimetype"))
    distribution.fields(resource, site)
    if digest := _text(resource.get("hash")).rpartition(":")[2]:
        checksum = _Node(f"{identity}#checksum", _SPDX + "Checksum")
        checksum.text(_SPDX + "checksumValue", digest)
        checksum.text(_SPDX + "algorithm", resource.get("hash_algorithm"))
        distribution.link(_SPDX + "checksum", checksum)
        yield checksum.line()
    node.link(_DCAT + "distribution", distribution)
    yield distribution.line()


def _download(resource: Line) -> Any:
    """CKAN's ``url`` is the address of a file if the file was uploaded to CKAN."""
    return resource.get("url") if resource.get("url_type") == "upload" else None


class _Node:
    """Builds one node: its identity, type and properties."""

    def __init__(self, identity: str, kind: str) -> None:
        self.identity = identity
        self._predicates: dict[str, list[list[Any]]] = {_TYPE: [["i", kind]]}

    def text(self, predicate: str, value: Any, language: str | None = None) -> None:
        if _text(value):
            kind = "i" if _text(value).startswith(("http://", "https://")) and language is None else "l"
            term = ["i", _text(value)] if kind == "i" else ["l", _text(value), language, None]
            self._predicates.setdefault(predicate, []).append(term)

    def texts(self, predicate: str, value: Any) -> None:
        """A text, or texts by language as in the multilingual extensions."""
        if isinstance(value, dict):
            for language, texts in value.items():
                for text in _values(texts):
                    self.text(predicate, text, language)
        elif _text(value):
            self._predicates.setdefault(predicate, []).append(["l", _text(value), None, None])

    def fields(self, fields: Line, site: str) -> None:
        """Every field that no other function reads, with its property of DCAT if it has one."""
        for key, value in fields.items():
            if key not in _READ and key not in _TECHNICAL:
                predicate = _FIELDS.get(key, f"{site}extra/{key}")
                for part in _values(value):
                    if isinstance(part, dict) and all(map(_is_language_tag, part)):
                        self.texts(predicate, part)
                    else:
                        self.text(predicate, json.dumps(part, ensure_ascii=False) if isinstance(part, dict) else part)

    def iri(self, predicate: str, value: Any) -> None:
        if _text(value):
            self._predicates.setdefault(predicate, []).append(["i", _text(value)])

    def link(self, predicate: str, other: _Node) -> None:
        self._predicates.setdefault(predicate, []).append(["i", other.identity])

    def line(self) -> Line:
        return {"s": self.identity, "g": None, "p": self._predicates}


def _is_language_tag(key: str) -> bool:
    return re.fullmatch("[a-z]{2}([-_][A-Za-z]{2})?", key) is not None


def _text(value: Any) -> str:
    """A text or a number as text; an empty text for anything else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _values(value: Any) -> list[Any]:
    """Values of a list (also of one written as JSON), or the value itself; empty values are left out."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    if isinstance(value, list):
        return [part for part in value if part not in (None, "", {})]
    return [] if value in (None, "", {}) else [value]


def _is_address(value: Any) -> bool:
    return _text(value).startswith(("http://", "https://"))
