"""The staging file of a source: the nodes of each page as they were read last, in SQLite. Used by harvests and scoring.

A harvest that was killed goes on from it, a page that has not changed is not fetched again, and a page that cannot be
read keeps its last version.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from hub.dataspace.metadata import dcat
from hub.dataspace.metadata.namespaces import DCAT, DCT, IT6, KINDS, ODRL, RDF, Node
from hub.dataspace.metadata.trees import POLICY_PARTS, policy_targets

_NAMELESS = {DCAT + "Dataset", IT6 + "MachineLearningModel"}
"""Records even as blank nodes; services and series that are blank nodes are parts of other records."""
_LDES = "https://w3id.org/ldes#"
_TREE = "https://w3id.org/tree#"
_AS = "https://www.w3.org/ns/activitystreams#"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS page (
    id INTEGER PRIMARY KEY, url TEXT UNIQUE, run INTEGER, state TEXT, etag TEXT, modified TEXT, onward TEXT);
CREATE TABLE IF NOT EXISTS node (page INTEGER, id TEXT, graph TEXT, record INTEGER, body TEXT);
CREATE INDEX IF NOT EXISTS node_id ON node (id);
CREATE INDEX IF NOT EXISTS node_page ON node (page);
CREATE INDEX IF NOT EXISTS node_record ON node (id) WHERE record;
CREATE TABLE IF NOT EXISTS event (page INTEGER, object TEXT, at TEXT, kind TEXT, graph TEXT);
CREATE INDEX IF NOT EXISTS event_object ON event (object);
CREATE INDEX IF NOT EXISTS event_page ON event (page);
CREATE TABLE IF NOT EXISTS listed (page INTEGER, id TEXT);
CREATE INDEX IF NOT EXISTS listed_id ON listed (id);
CREATE INDEX IF NOT EXISTS listed_page ON listed (page);
CREATE TABLE IF NOT EXISTS served (page INTEGER, id TEXT, service TEXT);
CREATE INDEX IF NOT EXISTS served_id ON served (id);
CREATE INDEX IF NOT EXISTS served_page ON served (page);
CREATE TABLE IF NOT EXISTS policy (page INTEGER, id TEXT);
CREATE INDEX IF NOT EXISTS policy_page ON policy (page);
CREATE TABLE IF NOT EXISTS targeted (id TEXT, policy TEXT);
CREATE INDEX IF NOT EXISTS targeted_id ON targeted (id);
CREATE TABLE IF NOT EXISTS stream (page INTEGER, versions TEXT, times TEXT);
CREATE TABLE IF NOT EXISTS version (id TEXT PRIMARY KEY, object TEXT, at TEXT);
CREATE INDEX IF NOT EXISTS version_object ON version (object);
CREATE TABLE IF NOT EXISTS named (id TEXT PRIMARY KEY, uri TEXT, page INTEGER);
CREATE INDEX IF NOT EXISTS named_uri ON named (uri);
CREATE INDEX IF NOT EXISTS named_page ON named (page);
CREATE TABLE IF NOT EXISTS note (uri TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS changed (run INTEGER);
CREATE TABLE IF NOT EXISTS found (uri TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_RECORDS = """
SELECT DISTINCT coalesce(object, id) AS it
FROM (SELECT id FROM node WHERE record UNION SELECT id FROM listed JOIN node USING (id)) LEFT JOIN version USING (id)
ORDER BY it
"""
_DOCUMENT = "substr(listed.id, 1, instr(listed.id || '#', '#') - 1)"
"""Address of the document that a listed dataset may be described in: its own without the fragment."""
_LISTS_DOCUMENTS = f"""
SELECT NOT EXISTS (
    SELECT 1 FROM listed JOIN node USING (id) JOIN page ON page.id = node.page
    WHERE page.run = ? AND page.url NOT IN (SELECT {_DOCUMENT} FROM listed))
"""  # noqa: S608  a constant
_DOCUMENTS = f"""
SELECT DISTINCT {_DOCUMENT} FROM listed JOIN page ON page.id = listed.page
WHERE page.run = ? AND (listed.id LIKE 'http://%' OR listed.id LIKE 'https://%')
"""  # noqa: S608  a constant
_NOT_DESCRIBED = f"""
SELECT DISTINCT listed.id FROM listed
LEFT JOIN node ON node.id = listed.id
LEFT JOIN version ON version.object = listed.id
LEFT JOIN event ON event.object = listed.id
LEFT JOIN page ON page.url = {_DOCUMENT}
WHERE node.id IS NULL AND version.id IS NULL AND event.object IS NULL
AND (page.id IS NULL OR page.run <> ? OR (
    page.onward IS NOT NULL AND NOT EXISTS (SELECT 1 FROM node AS other WHERE other.page = page.id AND record)))
"""  # noqa: S608  a constant
"""Listed datasets without a description, but for those whose document was refused or describes another one."""


@dataclass(frozen=True)
class Page:
    """A page to read. ``onward``: links to further pages in its last version."""

    id: int
    url: str
    etag: str
    modified: str
    onward: tuple[str, ...]
    read_before: bool


Stamps = tuple[str, str]
"""ETag and Last-Modified of a page; empty texts where it has none."""


class _LastVersionStays(Exception):
    """Rolls the storing of a page back."""


class Staging:
    """The staging file of one source. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=10)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        self._read_anew_after_an_upgrade()
        self.about = lru_cache(maxsize=20_000)(self._about)
        self._look_up_what_refers_to_others()

    def close(self) -> None:
        self._db.close()

    def _read_anew_after_an_upgrade(self) -> None:
        """Request every page again, and put all records together again, if another version has read them."""
        if self._first_value("PRAGMA user_version") != dcat.READING:
            with self._db:
                self._db.execute("UPDATE page SET etag = '', modified = ''")
                self._db.execute("INSERT INTO changed VALUES (0)")
                self._db.execute(f"PRAGMA user_version = {dcat.READING:d}")

    # -- pages of a run

    def queue(self, run: int, urls: Iterable[str]) -> None:
        """Add pages to those that this run has to read. A page that it has read is not read again."""
        with self._db:
            for url in urls:
                self._db.execute("INSERT OR IGNORE INTO page (url, run, state) VALUES (?, 0, '')", (url,))
                self._db.execute(
                    "UPDATE page SET run = ?, state = 'queued' WHERE url = ? AND run <> ?", (run, url, run)
                )

    def next_page(self, run: int) -> Page | None:
        """The next page that this run has to read."""
        row = self._db.execute(
            "SELECT id, url, etag, modified, onward FROM page WHERE run = ? AND state = 'queued' ORDER BY id", (run,)
        ).fetchone()
        if row is None:
            return None
        return Page(row[0], row[1], row[2] or "", row[3] or "", tuple(json.loads(row[4] or "[]")), row[4] is not None)

    def pages_read(self, run: int) -> int:
        """Pages that this run has read or kept."""
        return int(self._first_value("SELECT count(*) FROM page WHERE run = ? AND state <> 'queued'", run))

    def keep(self, page: Page, run: int) -> None:
        """Keep the last version of a page, if it has one, as this run's."""
        with self._db:
            self._db.execute("UPDATE page SET state = 'kept', run = ? WHERE id = ?", (run, page.id))

    def store(
        self,
        page: Page,
        run: int,
        nodes: Iterable[dict[str, Any]],
        end: Callable[[], tuple[Iterable[str], Stamps] | None],
    ) -> None:
        """Replace the nodes of a page.

        :param end: called after the last node; returns links to further pages and the page's ETag and Last-Modified,
            or None to keep the page's last version.
        """
        with contextlib.suppress(_LastVersionStays), self._db:
            self._delete_nodes(page.id)
            rows = (self._row(page.id, node) for node in nodes)
            self._db.executemany("INSERT INTO node VALUES (?, ?, ?, ?, ?)", rows)
            result = end()
            if result is None:
                raise _LastVersionStays
            onward, stamps = result
            self._db.execute(
                "UPDATE page SET state = 'read', run = ?, etag = ?, modified = ?, onward = ? WHERE id = ?",
                (run, *stamps, json.dumps(list(onward)), page.id),
            )
            self._db.execute("INSERT INTO changed VALUES (?)", (run,))
        self.about.cache_clear()

    def remove_pages_not_in(self, run: int) -> None:
        """After a complete run: remove pages that no page links to any more."""
        with self._db:
            unlinked = [row[0] for row in self._db.execute("SELECT id FROM page WHERE run <> ?", (run,))]
            for page in unlinked:
                self._delete_nodes(page)
                self._db.execute("DELETE FROM page WHERE id = ?", (page,))
            if unlinked:
                self._db.execute("INSERT INTO changed VALUES (?)", (run,))
        self.about.cache_clear()

    def _delete_nodes(self, page: int) -> None:
        self._db.execute("DELETE FROM node WHERE page = ?", (page,))
        self._db.execute("DELETE FROM event WHERE page = ?", (page,))
        self._db.execute("DELETE FROM stream WHERE page = ?", (page,))
        self._db.execute("DELETE FROM listed WHERE page = ?", (page,))
        self._db.execute("DELETE FROM served WHERE page = ?", (page,))
        self._db.execute("DELETE FROM policy WHERE page = ?", (page,))
        self._db.execute("DELETE FROM named WHERE page = ?", (page,))

    def _row(self, page: int, node: dict[str, Any]) -> tuple[Any, ...]:
        """A node as a row. Names of blank nodes are valid within a page, so they get the page's number."""
        predicates = node["p"]
        types = {term[1] for term in predicates.get(RDF + "type", ())}
        if _AS + "object" in predicates:
            self._event(page, node, types)
        if _LDES + "timestampPath" in predicates or _LDES + "versionOfPath" in predicates:
            self._stream(page, predicates)
        for terms in predicates.values():
            for term in terms:
                if term[0] == "i" and term[1].startswith("_:"):
                    term[1] = f"_:{page}.{term[1][2:]}"
        listed = ((page, term[1]) for term in predicates.get(DCAT + "dataset", ()) if term[0] == "i")
        self._db.executemany("INSERT INTO listed VALUES (?, ?)", listed)
        identity = node["s"] if not node["s"].startswith("_:") else f"_:{page}.{node['s'][2:]}"
        served = ((page, term[1], identity) for term in predicates.get(DCAT + "servesDataset", ()) if term[0] == "i")
        self._db.executemany("INSERT INTO served VALUES (?, ?, ?)", served)
        if POLICY_PARTS & predicates.keys():
            self._db.execute("INSERT INTO policy VALUES (?, ?)", (page, identity))
        is_record = not types.isdisjoint(_NAMELESS if identity.startswith("_:") else KINDS)
        is_record = is_record and _LDES + "EventStream" not in types  # the stream itself is no dataset of it
        return page, identity, node["g"], int(is_record), json.dumps(predicates, ensure_ascii=False)

    def _event(self, page: int, node: dict[str, Any], types: set[str]) -> None:
        """Store a member of an event stream: which node it is about, when, and whether that node is deleted."""
        at = next((term[1] for term in node["p"].get(_AS + "published", ())), "")
        kind = "gone" if types & {_AS + "Delete", _AS + "Remove"} else "there"
        rows = [(page, term[1], at, kind, node["s"]) for term in node["p"][_AS + "object"]]
        self._db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)

    def _stream(self, page: int, predicates: dict[str, Any]) -> None:
        """Store an event stream of versions: the properties that name what a member is a version of, and its time."""
        versions, times = (
            next((term[1] for term in predicates.get(_LDES + name, ())), default)
            for name, default in (("versionOfPath", DCT + "isVersionOf"), ("timestampPath", DCT + "created"))
        )
        if versions != _AS + "object":  # members with an object are activities, which are stored as events
            self._db.execute("INSERT INTO stream VALUES (?, ?, ?)", (page, versions, times))

    def _find_versions(self) -> None:
        """Store which nodes are versions of which, for streams of versions."""
        self._db.execute("DELETE FROM version")
        for versions, times in self._db.execute("SELECT DISTINCT versions, times FROM stream").fetchall():
            members = self._db.execute("SELECT id, body FROM node WHERE instr(body, ?)", (json.dumps(versions),))
            for identity, body in members.fetchall():
                predicates = json.loads(body)
                object_ = next((term[1] for term in predicates.get(versions, ()) if term[0] == "i"), None)
                if object_ is not None:
                    at = next((term[1] for term in predicates.get(times, ())), "")
                    self._db.execute("INSERT OR REPLACE INTO version VALUES (?, ?, ?)", (identity, object_, _utc(at)))

    def _find_targets(self) -> None:
        """Store which policies are about which nodes: an asset need not refer to its policy."""
        self._db.execute("DELETE FROM targeted")
        for (policy,) in self._db.execute("SELECT DISTINCT id FROM policy").fetchall():
            targets = {(target, policy) for target in policy_targets(policy, self.about)}
            self._db.executemany("INSERT INTO targeted VALUES (?, ?)", sorted(targets))

    def name(self, identity: str, uri: str) -> None:
        """Give a blank node an address, under which it is found from now on."""
        with self._db:
            page = identity.removeprefix("_:").partition(".")[0]
            self._db.execute("INSERT OR REPLACE INTO named VALUES (?, ?, ?)", (identity, uri, page))

    # -- nodes

    def _about(self, identity: str) -> Node:
        """Everything that is stated about a node, of versions the newest; an empty node if it is deleted or unknown."""
        newest = (
            self._db.execute(
                "SELECT id FROM version WHERE object = ? ORDER BY at DESC, rowid DESC LIMIT 1", (identity,)
            ).fetchone()
            or self._db.execute("SELECT id FROM named WHERE uri = ? ORDER BY rowid DESC", (identity,)).fetchone()
        )
        requested, identity = identity, newest[0] if newest else identity
        rows = self._db.execute("SELECT graph, body FROM node WHERE id = ?", (identity,)).fetchall()
        event = self._db.execute(
            "SELECT kind, graph FROM event WHERE object = ? ORDER BY at DESC, rowid DESC LIMIT 1", (identity,)
        ).fetchone()
        if event is not None:
            kind, graph = event
            rows = [] if kind == "gone" else [row for row in rows if row[0] in (None, graph)]
        node: dict[str, list[Any]] = {}
        for _, body in rows:
            for predicate, terms in json.loads(body).items():
                values = node.setdefault(predicate, [])
                values.extend(term for term in terms if term not in values)
        if node and not any(term[1] in KINDS for term in node.get(RDF + "type", ())) and self._is_listed(identity):
            node.setdefault(RDF + "type", []).append(["i", DCAT + "Dataset"])
        if node and self._some_are_served:
            # Only services state which datasets they serve.
            for row in self._db.execute("SELECT DISTINCT service FROM served WHERE id = ?", (requested,)):
                node.setdefault(DCAT + "accessService", []).append(["i", row[0]])
        if node and self._some_are_targeted:
            policies = node.get(ODRL + "hasPolicy", [])
            rows = self._db.execute("SELECT policy FROM targeted WHERE id = ?", (requested,)).fetchall()
            if further := [["i", row[0]] for row in rows if ["i", row[0]] not in policies]:
                node[ODRL + "hasPolicy"] = [*policies, *further]
        return node

    def _look_up_what_refers_to_others(self) -> None:
        """Looked up once for all nodes: most catalogues have no services, and no policies that name their targets."""
        self._some_are_served = bool(self._first_value("SELECT EXISTS (SELECT 1 FROM served)"))
        self._some_are_targeted = bool(self._first_value("SELECT EXISTS (SELECT 1 FROM targeted)"))

    def _is_listed(self, identity: str) -> bool:
        """Whether a catalogue lists it as ``dcat:dataset``: it is one even without a type."""
        return bool(self._first_value("SELECT EXISTS (SELECT 1 FROM listed WHERE id = ?)", identity))

    # -- what is there, and what is only named

    def is_fragmented(self) -> bool:
        """Whether its pages are fragments of a stream (TREE), of which servers delete old ones."""
        statement = "SELECT EXISTS (SELECT 1 FROM node WHERE instr(body, ?))"
        return bool(self._first_value(statement, json.dumps(_TREE + "relation")))

    def documents(self, run: int) -> list[str]:
        """Addresses of the documents that describe the listed datasets, if no page of this run describes any itself."""
        if not self._first_value(_LISTS_DOCUMENTS, run):
            return []
        return [row[0] for row in self._db.execute(_DOCUMENTS, (run,))]

    def not_described(self, run: int) -> list[str]:
        """Datasets that a catalogue lists and no page of this run describes."""
        return [row[0] for row in self._db.execute(_NOT_DESCRIBED, (run,))]

    def listed_count(self) -> int:
        """Datasets that catalogues list."""
        return int(self._first_value("SELECT count(DISTINCT id) FROM listed"))

    def deleted(self, uris: Iterable[str]) -> list[str]:
        """Those of ``uris`` of which the newest member of an event stream says that they are deleted."""
        newest = "SELECT kind FROM event WHERE object = ? ORDER BY at DESC, rowid DESC LIMIT 1"
        return [uri for uri in uris if self._db.execute(newest, (uri,)).fetchone() == ("gone",)]

    def records(self) -> Iterator[str]:
        """Ids of all records, each once; of versions, the id that they are versions of."""
        for row in self._db.execute(_RECORDS):
            yield row[0]

    def record_count_of(self, run: int) -> int:
        """Different records on the pages of a run."""
        statement = "SELECT count(DISTINCT node.id) FROM node JOIN page ON page.id = node.page WHERE record AND run = ?"
        return int(self._first_value(statement, run))

    def record_count(self) -> int:
        """Nodes that are records, versions counted one by one."""
        return int(self._first_value("SELECT count(*) FROM node WHERE record"))

    # -- putting records together

    def unchanged(self) -> bool:
        """Whether nothing was stored since the last assembly of records."""
        return not self._first_value("SELECT count(*) FROM changed")

    def start_assembly(self) -> None:
        """Forget the records of the last assembly, and look up versions and services anew."""
        with self._db:
            self._db.execute("DELETE FROM found")
            self._db.execute("DELETE FROM note")
            self._find_versions()
            self.about.cache_clear()
            self._find_targets()
        self._look_up_what_refers_to_others()
        self.about.cache_clear()

    def add_assembled(self, uris: Iterable[str]) -> None:
        """Add records to those of this assembly."""
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO found VALUES (?)", ((uri,) for uri in uris))

    def add_note(self, uri: str, text: str) -> None:
        """Store what the report says about a record, also of later runs in which it has not changed."""
        with self._db:
            self._db.execute("INSERT INTO note VALUES (?, ?)", (uri, text))

    def notes(self, most: int) -> list[tuple[str, str]]:
        """Record and text of the first notes of the last assembly."""
        return [(uri, text) for uri, text in self._db.execute("SELECT uri, text FROM note LIMIT ?", (most,))]

    def assembled_count(self) -> int:
        """Records of the last assembly."""
        return int(self._first_value("SELECT count(*) FROM found"))

    def not_assembled(self, uris: Iterable[str]) -> list[str]:
        """Those of ``uris`` that are not among the records of this assembly."""
        return [uri for uri in uris if not self._first_value("SELECT count(*) FROM found WHERE uri = ?", uri)]

    def end_assembly(self) -> None:
        """From now on the records are up to date with what is stored."""
        with self._db:
            self._db.execute("DELETE FROM changed")

    def _first_value(self, statement: str, *values: Any) -> Any:
        return self._db.execute(statement, values).fetchone()[0]


def _utc(text: str) -> str:
    """A moment in UTC as text that sorts; an empty text for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
