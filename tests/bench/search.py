"""``index_rate`` and ``search_…_p95``: our index against SQLite's FTS5 with facets in SQL, and with trigrams for typos.

Searches of ours go through the HTTP API: 20 people who type, each asking about every 0.2 s. The reference is asked by
one, in its own process, without HTTP. ``ATRIUM_BENCH_RECORDS`` makes a trial smaller than two million records.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from statistics import median
from urllib.parse import quote

import httpx2

from hub.dataspace.search.answers import LOOK_SECONDS
from hub.dataspace.search.engine import Entry
from hub.dataspace.search.index import TantivyWriter
from hub.dataspace.search.spelling import edits
from tests.bench import catalogue
from tests.bench.registry import Pair, scenario
from tests.deployment import Deployment
from tests.polling import eventually
from tests.web import free_port

RECORDS = int(os.environ.get("ATRIUM_BENCH_RECORDS", "2000000"))
CLIENTS, SECONDS, PAUSE = 20, 20.0, 0.2
COMMON = slice(0, 300)
RARE = slice(20_000, 120_000)
KNOWN = slice(0, 20_000)
"""Words that are frequent enough to be corrections of misspelt ones."""
_FACETS = ("space", "publisher", "licence", "access", "language", "updated", "kind", "quality", "country")
_MANY = ("sector", "format")
_SHORTEST_WORD = 4
IDLE_SECONDS = 0.2
ENOUGH_MIB = 1024.0
_PATH = "/services/atrium/api/dataspace/search"


class World:
    """Records on disk, and both indexes, made when they are needed first."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-search-", dir="/var/tmp"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.words = catalogue.vocabulary()
        catalogue.write(self.folder / "records", RECORDS)

    @property
    def index_folder(self) -> Path:
        return self.folder / "dataspace"

    @property
    def database(self) -> Path:
        return self.folder / "reference.sqlite"

    def index(self) -> float:
        """Records a second of ours."""
        shutil.rmtree(self.index_folder, ignore_errors=True)
        return self._rate(TantivyWriter(self.index_folder).replace)

    def reference(self) -> float:
        """Records a second of SQLite."""
        self.database.unlink(missing_ok=True)
        return self._rate(self._fill)

    def _rate(self, work: Callable[[Iterator[Entry]], None]) -> float:
        """Records that go in during a second of one core, whatever else the machine does; reading them is left out."""
        reading = 0.0

        def records() -> Iterator[Entry]:
            nonlocal reading
            batches = catalogue.read(self.folder / "records")
            while True:
                start = time.thread_time()
                batch = next(batches, None)
                reading += time.thread_time() - start
                if batch is None:
                    return
                yield from batch

        wall_start, start = time.perf_counter(), time.process_time()
        work(records())
        seconds = time.process_time() - start - reading
        wall = time.perf_counter() - wall_start
        print(f"  {RECORDS:,} records: {seconds:,.0f} s of CPU, {wall:,.0f} s with reading them")
        return RECORDS / seconds

    def _fill(self, records: Iterator[Entry]) -> None:
        with sqlite3.connect(self.database) as db:
            db.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                f"CREATE TABLE record (id INTEGER PRIMARY KEY, card TEXT, {', '.join(_FACETS)});"
                "CREATE VIRTUAL TABLE words USING fts5 (text, content='', tokenize=\"unicode61 remove_diacritics 2\");"
                + "".join(f"CREATE TABLE {name} (id INTEGER, value TEXT);" for name in _MANY)
            )
            for entry in records:
                values = [entry.facets[name][0] for name in _FACETS]
                db.execute(f"INSERT INTO record VALUES (?, ?{', ?' * len(_FACETS)})", (entry.id, entry.card, *values))
                db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (entry.id, " ".join(entry.texts.values())))
                for name in _MANY:
                    db.executemany(f"INSERT INTO {name} VALUES (?, ?)", [(entry.id, v) for v in entry.facets[name]])
            for name in _MANY:
                db.execute(f"CREATE INDEX {name}_id ON {name} (id)")

    def index_size(self) -> float:
        return _mebibytes(self.index_folder)

    def reference_size(self) -> float:
        return self.database.stat().st_size / 2**20

    def prepared(self) -> World:
        if not self.index_folder.exists():
            self.index()
        if not self.database.exists():
            self.reference()
            self._learn_words()
        return self

    def _learn_words(self) -> None:
        """The reference's words by their trigrams, as our API learns words after it starts."""
        with sqlite3.connect(self.database) as db:
            db.executescript(
                "CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, 'row');"
                "CREATE VIRTUAL TABLE spelling USING fts5(word, tokenize='trigram');"
                "INSERT INTO spelling SELECT term FROM vocabulary WHERE length(term) >= 4;"
            )


@cache
def world() -> World:
    return World()


@scenario("index_rate", metric="records indexed in a second of one core, higher is better", unit="1/s", runs=1)
@contextmanager
def index_rate(_deployment: Deployment) -> Iterator[Pair]:
    rig = world()
    sizes = (rig.index_size, rig.reference_size)
    yield Pair(ours=rig.index, reference=rig.reference, further={"size on disk, MiB": sizes})


@scenario("search_common_p95", metric="top 20 and all counts, common words, 20 clients", unit="ms", runs=3)
@contextmanager
def search_common(_deployment: Deployment) -> Iterator[Pair]:
    with _searches(COMMON, reference_queries=10, ask=_ask_sqlite) as pair:
        yield pair


@scenario("search_rare_p95", metric="top 20 and all counts, rare words, 20 clients", unit="ms", runs=3)
@contextmanager
def search_rare(_deployment: Deployment) -> Iterator[Pair]:
    with _searches(RARE, reference_queries=200, ask=_ask_sqlite) as pair:
        yield pair


@scenario("search_typing_p95", metric="top 20 and all counts, beginnings of words, 20 clients", unit="ms", runs=3)
@contextmanager
def search_typing(_deployment: Deployment) -> Iterator[Pair]:
    def ask(db: sqlite3.Connection, beginning: str) -> None:
        _ask_sqlite(db, f'"{beginning}"*')

    with _searches(RARE, reference_queries=50, ask=ask, typed=lambda word: word[:4], options="&typing=true") as pair:
        yield pair


@scenario("search_typo_p95", metric="top 20 and all counts, misspelt words, 20 clients", unit="ms", runs=3)
@contextmanager
def search_typo(_deployment: Deployment) -> Iterator[Pair]:
    def ask(db: sqlite3.Connection, misspelt: str) -> None:
        _ask_sqlite(db, _corrected(db, misspelt))

    with _searches(KNOWN, reference_queries=50, ask=ask, typed=_misspelt) as pair:
        yield pair


def _misspelt(word: str) -> str:
    """A word with two letters in its middle swapped."""
    middle = len(word) // 2
    return word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]


def _corrected(db: sqlite3.Connection, misspelt: str) -> str:
    """The nearest of the words that share the most trigrams with a misspelt one."""
    trigrams = " OR ".join(f'"{misspelt[i : i + 3]}"' for i in range(len(misspelt) - 2))
    rows = db.execute("SELECT word FROM spelling WHERE spelling MATCH ? ORDER BY rank LIMIT 50", (trigrams,)).fetchall()
    return min((word for (word,) in rows), key=lambda word: edits(misspelt, word), default=misspelt)


@contextmanager
def _searches(
    ranks: slice,
    *,
    reference_queries: int,
    ask: Callable[[sqlite3.Connection, str], None],
    typed: Callable[[str], str] = str,
    options: str = "",
) -> Iterator[Pair]:
    rig = world().prepared()
    words = [typed(word) for word in rig.words[ranks] if len(word) >= _SHORTEST_WORD]
    seeds = iter(range(1000))
    with _api(rig.folder) as (port, server):
        _wait_until_prepared(port, server)

        spent = {"ours": 0.0, "reference": 0.0}

        def ours() -> float:
            before = _cpu(server)
            latencies = asyncio.run(_load(port, words, options, random.Random(next(seeds))))
            spent["ours"] = (_cpu(server) - before) * 1000 / len(latencies)
            print(f"  {len(latencies):,} searches; median {median(latencies):.2f} ms")
            return _p95(latencies)

        def reference() -> float:
            chosen = random.Random(next(seeds)).sample(words, reference_queries)
            start = time.thread_time()
            with sqlite3.connect(rig.database) as db:
                latencies = [_timed(partial(ask, db, word)) for word in chosen]
            spent["reference"] = (time.thread_time() - start) * 1000 / len(latencies)
            return _p95(latencies)

        further = {
            "CPU of a search, HTTP included in ours, ms": (lambda: spent["ours"], lambda: spent["reference"]),
            "memory of the API against its limit, MiB": (lambda: _resident(server), lambda: ENOUGH_MIB),
        }
        yield Pair(ours=ours, reference=reference, further=further)


@contextmanager
def _api(state: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.search_server", str(state), str(port)])
    try:
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_until_prepared(port: int, server: int) -> None:
    """The API answers, and has had the time that it takes after each change of the index to answer common words."""
    health = f"http://127.0.0.1:{port}/services/atrium/api/health"

    def up() -> bool:
        try:
            return httpx2.get(health, trust_env=False).status_code < 600
        except httpx2.TransportError:
            return False

    eventually(up, within=60, what="the API answers")
    eventually(lambda: _is_idle(server), within=600, every=0.1, what="the API is done preparing")


def _is_idle(server: int) -> bool:
    before = _cpu(server)
    time.sleep(2 * LOOK_SECONDS)
    return _cpu(server) - before < IDLE_SECONDS


async def _load(port: int, words: Sequence[str], options: str, rng: random.Random) -> list[float]:
    """Milliseconds of every search of all clients."""
    until = time.perf_counter() + SECONDS
    seeds = [rng.random() for _ in range(CLIENTS)]
    latencies = await asyncio.gather(*(_client(port, words, options, random.Random(seed), until) for seed in seeds))
    return [latency for client in latencies for latency in client]


async def _client(port: int, words: Sequence[str], options: str, rng: random.Random, until: float) -> list[float]:
    """One connection, kept; raw, so that the client costs next to nothing beside the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies = []
    while time.perf_counter() < until:
        await asyncio.sleep(rng.expovariate(1 / PAUSE))
        target = f"{_PATH}?text={quote(rng.choice(words))}{options}"
        request = f"GET {target} HTTP/1.1\r\nHost: api\r\nAuthorization: token x\r\n\r\n"
        start = time.perf_counter()
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        latencies.append((time.perf_counter() - start) * 1000)
    writer.close()
    return latencies


def _ask_sqlite(db: sqlite3.Connection, word: str) -> None:
    query = "SELECT rowid FROM words WHERE words MATCH ?"
    db.execute(
        "SELECT card FROM (SELECT rowid AS found FROM words WHERE words MATCH ? ORDER BY rank LIMIT 20) "
        "JOIN record ON record.id = found",
        (word,),
    ).fetchall()
    db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (word,)).fetchall()
    for name in _FACETS:
        db.execute(f"SELECT {name}, count(*) FROM record WHERE id IN ({query}) GROUP BY 1", (word,)).fetchall()
    for name in _MANY:
        db.execute(f"SELECT value, count(*) FROM {name} WHERE id IN ({query}) GROUP BY 1", (word,)).fetchall()


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def _p95(latencies: Sequence[float]) -> float:
    return sorted(latencies)[int(0.95 * (len(latencies) - 1))]


def _mebibytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20


def _cpu(pid: int) -> float:
    """Seconds that all threads of a process have computed, in it and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    """MiB of a process in memory, without pages of files that it has mapped, which the system may drop."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024
