"""What a source said, page by page, in a file of its own: a harvest that was killed goes on from it, a page that has
not changed is not fetched again, and a page that broke keeps what it said last.
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

from hub.dataspace.metadata.namespaces import DCAT, DCT, IT6, KINDS, RDF, Node

_NAMELESS = {DCAT + "Dataset", IT6 + "MachineLearningModel"}
"""Records also where their source gives them no address; services and series without one are parts of others."""
_LDES = "https://w3id.org/ldes#"
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
CREATE TABLE IF NOT EXISTS stream (page INTEGER, versions TEXT, times TEXT);
CREATE TABLE IF NOT EXISTS version (id TEXT PRIMARY KEY, object TEXT, at TEXT);
CREATE INDEX IF NOT EXISTS version_object ON version (object);
CREATE TABLE IF NOT EXISTS changed (run INTEGER);
CREATE TABLE IF NOT EXISTS found (uri TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_RECORDS = """
SELECT DISTINCT coalesce(object, id) AS it
FROM (SELECT id FROM node WHERE record UNION SELECT id FROM listed JOIN node USING (id)) LEFT JOIN version USING (id)
ORDER BY it
"""


@dataclass(frozen=True)
class Page:
    id: int
    url: str
    etag: str
    modified: str
    onward: tuple[str, ...]
    read_before: bool


Stamps = tuple[str, str]
"""ETag and Last-Modified of a page, empty when it has none."""


class _Kept(Exception):
    """A page is not replaced."""


class Staging:
    """One source's file. Every method is one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=10)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        self.about = lru_cache(maxsize=20_000)(self._about)
        self._some_are_served = self._any_is_served()

    def close(self) -> None:
        self._db.close()

    # -- pages of a run

    def queue(self, run: int, urls: Iterable[str]) -> None:
        """Pages still to be read in this run; one that was read in it already is not read twice."""
        with self._db:
            for url in urls:
                self._db.execute("INSERT OR IGNORE INTO page (url, run, state) VALUES (?, 0, '')", (url,))
                self._db.execute(
                    "UPDATE page SET run = ?, state = 'queued' WHERE url = ? AND run <> ?", (run, url, run)
                )

    def next_page(self, run: int) -> Page | None:
        row = self._db.execute(
            "SELECT id, url, etag, modified, onward FROM page WHERE run = ? AND state = 'queued' ORDER BY id", (run,)
        ).fetchone()
        if row is None:
            return None
        return Page(row[0], row[1], row[2] or "", row[3] or "", tuple(json.loads(row[4] or "[]")), row[4] is not None)

    def pages_done(self, run: int) -> int:
        return int(self._one("SELECT count(*) FROM page WHERE run = ? AND state <> 'queued'", run))

    def keep(self, page: Page, run: int) -> None:
        """The page as it was read before still counts."""
        with self._db:
            self._db.execute("UPDATE page SET state = 'kept', run = ? WHERE id = ?", (run, page.id))

    def store(
        self,
        page: Page,
        run: int,
        nodes: Iterable[dict[str, Any]],
        end: Callable[[], tuple[Iterable[str], Stamps] | None],
    ) -> None:
        """What the page says now, in place of what it said before.

        :param end: called after the last node; where the page goes on, and its ETag and Last-Modified; None: what it
            said before stays.
        """
        with contextlib.suppress(_Kept), self._db:
            self._forget(page.id)
            rows = (self._row(page.id, node) for node in nodes)
            self._db.executemany("INSERT INTO node VALUES (?, ?, ?, ?, ?)", rows)
            told = end()
            if told is None:
                raise _Kept  # and roll back
            onward, stamps = told
            self._db.execute(
                "UPDATE page SET state = 'read', run = ?, etag = ?, modified = ?, onward = ? WHERE id = ?",
                (run, *stamps, json.dumps(list(onward)), page.id),
            )
            self._db.execute("INSERT INTO changed VALUES (?)", (run,))
        self.about.cache_clear()

    def forget_pages_not_in(self, run: int) -> None:
        """After a complete run: pages that are not linked any more."""
        with self._db:
            gone = [row[0] for row in self._db.execute("SELECT id FROM page WHERE run <> ?", (run,))]
            for page in gone:
                self._forget(page)
                self._db.execute("DELETE FROM page WHERE id = ?", (page,))
            if gone:
                self._db.execute("INSERT INTO changed VALUES (?)", (run,))
        self.about.cache_clear()

    def _forget(self, page: int) -> None:
        self._db.execute("DELETE FROM node WHERE page = ?", (page,))
        self._db.execute("DELETE FROM event WHERE page = ?", (page,))
        self._db.execute("DELETE FROM stream WHERE page = ?", (page,))
        self._db.execute("DELETE FROM listed WHERE page = ?", (page,))
        self._db.execute("DELETE FROM served WHERE page = ?", (page,))

    def _row(self, page: int, node: dict[str, Any]) -> tuple[Any, ...]:
        """Blank nodes are a page's own, so they get its number."""
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
        is_record = not types.isdisjoint(_NAMELESS if identity.startswith("_:") else KINDS)
        return page, identity, node["g"], int(is_record), json.dumps(predicates, ensure_ascii=False)

    def _event(self, page: int, node: dict[str, Any], types: set[str]) -> None:
        """A member of an event stream: what it is about, when, and whether that is gone."""
        at = next((term[1] for term in node["p"].get(_AS + "published", ())), "")
        kind = "gone" if types & {_AS + "Delete", _AS + "Remove"} else "there"
        rows = [(page, term[1], at, kind, node["s"]) for term in node["p"][_AS + "object"]]
        self._db.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)

    def _stream(self, page: int, predicates: dict[str, Any]) -> None:
        """An event stream whose members are versions: by what they say of what they are a version, and since when."""
        versions, times = (
            next((term[1] for term in predicates.get(_LDES + name, ())), usual)
            for name, usual in (("versionOfPath", DCT + "isVersionOf"), ("timestampPath", DCT + "created"))
        )
        if versions != _AS + "object":  # that is an activity, and an event
            self._db.execute("INSERT INTO stream VALUES (?, ?, ?)", (page, versions, times))

    def _find_versions(self) -> None:
        """Which things are versions of which, as far as the source says that it is a stream of them."""
        self._db.execute("DELETE FROM version")
        for versions, times in self._db.execute("SELECT DISTINCT versions, times FROM stream").fetchall():
            found = self._db.execute("SELECT id, body FROM node WHERE instr(body, ?)", (json.dumps(versions),))
            for identity, body in found.fetchall():
                predicates = json.loads(body)
                object_ = next((term[1] for term in predicates.get(versions, ()) if term[0] == "i"), None)
                if object_ is not None:
                    at = next((term[1] for term in predicates.get(times, ())), "")
                    self._db.execute("INSERT OR REPLACE INTO version VALUES (?, ?, ?)", (identity, object_, _utc(at)))

    def name(self, identity: str, uri: str) -> None:
        """A thing without an address is found under this one from now on."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO version VALUES (?, ?, '')", (identity, uri))

    # -- nodes

    def _about(self, identity: str) -> Node:
        newest = self._db.execute(
            "SELECT id FROM version WHERE object = ? ORDER BY at DESC, rowid DESC LIMIT 1", (identity,)
        ).fetchone()
        asked, identity = identity, newest[0] if newest else identity
        rows = self._db.execute("SELECT graph, body FROM node WHERE id = ?", (identity,)).fetchall()
        event = self._db.execute(
            "SELECT kind, graph FROM event WHERE object = ? ORDER BY at DESC, rowid DESC LIMIT 1", (identity,)
        ).fetchone()
        if event is not None:
            kind, graph = event
            rows = [] if kind == "gone" else [row for row in rows if row[0] in (None, graph)]
        found: dict[str, list[Any]] = {}
        for _, body in rows:
            for predicate, terms in json.loads(body).items():
                kept = found.setdefault(predicate, [])
                kept.extend(term for term in terms if term not in kept)
        if found and not any(term[1] in KINDS for term in found.get(RDF + "type", ())) and self._is_listed(identity):
            found.setdefault(RDF + "type", []).append(["i", DCAT + "Dataset"])
        if found and self._some_are_served:
            # Which services serve a dataset is said by the services only.
            for row in self._db.execute("SELECT DISTINCT service FROM served WHERE id = ?", (asked,)):
                found.setdefault(DCAT + "accessService", []).append(["i", row[0]])
        return found

    def _any_is_served(self) -> bool:
        """Asked once, since most catalogues have no services."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM served)"))

    def _is_listed(self, identity: str) -> bool:
        """Whether a catalogue has it as ``dcat:dataset``, so that it is one although it does not say so itself."""
        return bool(self._one("SELECT EXISTS (SELECT 1 FROM listed WHERE id = ?)", identity))

    def records(self) -> Iterator[str]:
        """Ids of everything that is a record, each once; of versions, what they are versions of."""
        for row in self._db.execute(_RECORDS):
            yield row[0]

    def record_count(self) -> int:
        return int(self._one("SELECT count(*) FROM node WHERE record"))

    # -- putting records together

    def unchanged(self) -> bool:
        """Whether nothing was stored since the records were put together last."""
        return not self._one("SELECT count(*) FROM changed")

    def start_assembly(self) -> None:
        with self._db:
            self._db.execute("DELETE FROM found")
            self._find_versions()
        self._some_are_served = self._any_is_served()
        self.about.cache_clear()

    def found(self, uris: Iterable[str]) -> None:
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO found VALUES (?)", ((uri,) for uri in uris))

    def found_count(self) -> int:
        """How many records there were when they were put together last."""
        return int(self._one("SELECT count(*) FROM found"))

    def not_found(self, uris: Iterable[str]) -> list[str]:
        return [uri for uri in uris if not self._one("SELECT count(*) FROM found WHERE uri = ?", uri)]

    def end_assembly(self) -> None:
        with self._db:
            self._db.execute("DELETE FROM changed")

    def _one(self, statement: str, *values: Any) -> Any:
        return self._db.execute(statement, values).fetchone()[0]


def _utc(text: str) -> str:
    """A moment as text that sorts; what is none sorts before all."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
