"""The data-space page without a browser: API calls of each action, and errors."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.client import Api
from hub.dataspace.models import (
    Distribution,
    Preview,
    Query,
    Record,
    RecordPage,
    RemoteUse,
    SearchAnswer,
    UsableNow,
    Use,
    Verdict,
)
from hub.dataspace.saved_searches.models import SavedSearch
from hub.dataspace.sources.models import Run, RunState, Source, SourceForm
from hub.dataspace.transfers import snippets
from hub.dataspace.transfers.models import Progress, Transfer, TransferState
from hub.errors import AtriumError, InvalidInput, TermsNotAccepted
from hub.store.models import Upload, UploadState
from widgets.dataspace import DataSpace, Dataspace, DataspaceState
from widgets.dataspace.view import HERE, SHOWN, Front, plain

HOSTILE = json.loads((Path(__file__).parents[1] / "data/hostile.json").read_text())
NOW = datetime(2026, 11, 24, tzinfo=UTC)
ADDRESS = "Address: It begins with http:// or https://, or is an absolute path."


def page(title: str = "Air", **more: Any) -> RecordPage:
    file = Distribution(download_url="https://x.example/a.csv", format="CSV")
    record = Record(uri="https://x.example/1", kind="dataset", title={"en": title}, distributions=(file,))
    usable = UsableNow(verdict=Verdict.YES, reason="Open.")
    fields = {"id": 1, "record": record, "space": "Test", "source": "cat", "harvested": NOW, "visibility": "factory"}
    return RecordPage.model_validate(fields | {"sentences": (), "usable": usable} | more)


def transfer(state: TransferState, **more: Any) -> Transfer:
    fields = {
        "id": 3,
        "project": "demo",
        "directory": "/projects/demo",
        "person": "maria",
        "record_id": 1,
        "title": "Air",
        "address": "https://x.example/",
    }
    return Transfer.model_validate(fields | {"state": state, "created": NOW} | more)


class Answers:
    """An API: what it was asked, and by method and path what it says."""

    def __init__(self, **responses: Any) -> None:
        self.requests: list[httpx2.Request] = []
        self.responses: dict[str, Any] = responses

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.responses[request.url.path.removeprefix("/").replace("/", "_").replace("-", "_")]
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, TermsNotAccepted):
            terms = {"message": answer.message, "hint": answer.hint, "field": "accepted", "terms": list(answer.terms)}
            return httpx2.Response(409, json={"error": terms})
        if isinstance(answer, int):
            return httpx2.Response(
                answer, json={"error": {"status": answer, "message": "No.", "hint": "Ask.", "field": None}}
            )
        return httpx2.Response(200, json=plain(answer))

    @property
    def api(self) -> Api:
        return Api("http://api", "t", transport=httpx2.MockTransport(self))


FOUND = SearchAnswer(total=2, hits=(), facets={}, generation=1)
NOTHING = SearchAnswer(total=0, hits=(), facets={}, generation=1)


async def test_a_search_sends_the_query_of_the_page() -> None:
    answers, state = Answers(dataspace_search=FOUND), DataspaceState()
    query = {"text": "water", "chips": ["licence:open"], "sort": "date", "page": 2, "language": "de", "typing": True}
    await state.do(answers.api, {"do": "search", "query": query})
    assert state.answer == FOUND
    parameters = answers.requests[0].url.params
    assert (parameters["text"], parameters.get_list("chips"), parameters["typing"]) == (
        "water",
        ["licence:open"],
        "true",
    )


async def test_an_answer_that_comes_late_is_dropped() -> None:
    slow, quick = FOUND, FOUND.model_copy(update={"total": 5})
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def search(request: httpx2.Request) -> SearchAnswer:
        if request.url.params["text"] == "w":
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(5)
            return slow
        return quick

    answers, state = Answers(dataspace_search=search), DataspaceState()
    first = asyncio.create_task(state.do(answers.api, {"do": "search", "query": {"text": "w"}}))
    await asyncio.sleep(0)
    await state.do(answers.api, {"do": "search", "query": {"text": "water"}})
    release.set()
    await first
    assert state.answer == quick


async def test_no_results_show_suggestions() -> None:
    relaxed = [{"text": "Without “CSV”", "query": Query(text="water").model_dump(mode="json"), "total": 7}]
    answers, state = Answers(dataspace_search=NOTHING, dataspace_suggestions=relaxed), DataspaceState()
    await state.do(answers.api, {"do": "search", "query": {"text": "water", "chips": ["format:CSV"]}})
    assert [suggestion.total for suggestion in state.suggestions] == [7]


async def test_values_of_a_facet_are_searched_within_the_search() -> None:
    value = {"value": "City", "label": "City", "count": 3}
    answers, state = Answers(dataspace_values=[value]), DataspaceState()
    query = {"text": "water", "chips": [], "updated_from": "2020-01-01", "updated_to": None}
    await state.do(answers.api, {"do": "values", "query": query | {"facet": "publisher", "find": "cit"}})
    assert state.values is not None
    assert (state.values.find, [each.count for each in state.values.values]) == ("cit", [3])
    parameters = dict(answers.requests[0].url.params)
    assert parameters == {"text": "water", "updated_from": "2020-01-01", "facet": "publisher", "find": "cit"}


@pytest.mark.parametrize(
    "message",
    [
        {"do": "search", "query": {"text": "x", "chips": ["shell:rm"]}},
        {"do": "search", "query": {"updated_from": "2024-99-01"}},
        {"do": "values", "query": {"facet": "shell", "find": "x"}},
        {"do": "search", "query": {"unknown": 1}},
        {"do": "save", "title": "", "query": {}},
        {"do": "bring", "record_id": 1, "project": "../etc"},
        {"do": "put_source", "form": {"name": "X y"}},
        {"do": "publish", "form": {"title": "x"}},
        {"do": "change_publication", "slug": "x", "form": {"title": "x"}},
    ],
)
async def test_an_invalid_message_is_reported_without_a_request(message: dict[str, Any]) -> None:
    answers, state = Answers(), DataspaceState()
    await state.do(answers.api, message)
    assert isinstance(state.trouble, InvalidInput)
    assert (state.failed, answers.requests, state.working) == (message["do"], [], False)


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"address": "ftp://x.example/"}, "address", ADDRESS),
        ({"title": ""}, "title", "Title: Fill in this field."),
        ({"every_hours": 0}, "every_hours", "Every hours: Must be greater than or equal to 0.25."),
    ],
)
async def test_a_form_error_names_its_field(changed: dict[str, Any], field: str, sentence: str) -> None:
    form = {"name": "x", "title": "X", "space": "Test", "address": "https://x.example/"} | changed
    state = DataspaceState()
    await state.do(Answers().api, {"do": "put_source", "form": form})
    assert state.trouble is not None
    assert (state.trouble.field, state.trouble.message) == (field, sentence)


async def test_a_list_is_empty_only_when_that_is_known() -> None:
    answers, state = Answers(dataspace_saved_searches=[]), DataspaceState()
    names = ("saved", "transfers", "publications", "sources", "runs")
    assert [getattr(state, name) for name in names] == [None] * 5
    assert not state.something_moves
    assert not state.something_is_harvested
    await state.do(answers.api, {"do": "saved"})
    assert state.saved == ()


async def test_an_error_keeps_the_results_on_the_page() -> None:
    answers, state = Answers(dataspace_search=FOUND), DataspaceState()
    await state.do(answers.api, {"do": "search", "query": {}})
    answers.responses["dataspace_search"] = 503
    await state.do(answers.api, {"do": "search", "query": {"text": "x"}})
    assert state.trouble is not None
    assert (state.answer, state.trouble.message) == (FOUND, "No.")
    await state.do(answers.api, {"do": "__init__"})
    assert state.failed == "search", "an unknown deed is none"


async def test_a_record_with_lines_for_a_notebook() -> None:
    answers, state = Answers(dataspace_records_1=page()), DataspaceState()
    await state.do(answers.api, {"do": "open", "id": 1, "language": "de"})
    assert state.record == page()
    assert "fsspec.open" in state.snippets[0]
    assert answers.requests[0].url.params["language"] == "de"


async def test_a_file_on_this_machine_is_read_where_it_is() -> None:
    shown = page()
    paths = ("/srv/catalogue/rain.csv",) + ("",) * (len(shown.record.distributions) - 1)
    answers, state = Answers(dataspace_records_1=shown.model_copy(update={"paths": paths})), DataspaceState()
    await state.do(answers.api, {"do": "open", "id": 1})
    assert '"/srv/catalogue/rain.csv"' in state.snippets[0]
    assert "fsspec" not in state.snippets[0]


def source(**more: Any) -> Source:
    form = SourceForm(name="cat", title="Cat", space="Test", address="https://x.example/")
    fields = {"form": form, "records": 0, "from_settings": False, "due": None, "waiting": False, "last": None}
    return Source.model_validate(fields | more)


def run(state: RunState) -> Run:
    counts = dict.fromkeys(("pages", "read", "new", "changed", "removed", "refused"), 0)
    fields = {"id": 1, "state": state, "started": NOW, "ended": None, "refusals": (), "reason": ""}
    return Run.model_validate(counts | fields)


@pytest.mark.parametrize(
    ("harvested", "moves"),
    [
        (source(), False),
        (source(due=NOW, waiting=True), True),
        (source(due=datetime.now(UTC) + timedelta(hours=1), last=run(RunState.COMPLETE)), False),
        (source(last=run(RunState.RUNNING)), True),
    ],
)
async def test_a_harvest_is_followed_until_it_is_over(harvested: Source, moves: bool) -> None:
    answers, state = Answers(dataspace_sources=[harvested]), DataspaceState()
    await state.do(answers.api, {"do": "sources"})
    assert state.something_is_harvested is moves


@pytest.mark.parametrize(
    ("harvested", "sentence"),
    [
        (source(due=NOW, waiting=True), "Cat waits to be harvested."),
        (source(last=run(RunState.RUNNING)), "Cat is being harvested."),
    ],
)
async def test_harvest_now_says_whether_it_waits_or_runs(harvested: Source, sentence: str) -> None:
    answers, state = Answers(dataspace_sources_cat_run=harvested, dataspace_sources=[harvested]), DataspaceState()
    await state.do(answers.api, {"do": "run_source", "name": "cat"})
    assert state.done.startswith(sentence)
    assert state.sources == (harvested,)
    assert state.something_is_harvested


async def test_mail_about_a_saved_search_is_stopped_by_keeping_it_without() -> None:
    saved_search = SavedSearch(id=1, title="Air", query=Query(text="air"), mail=False, created=NOW)
    answers = Answers(
        dataspace_saved_searches=lambda request: saved_search if request.method == "PUT" else [saved_search]
    )
    state = DataspaceState()
    query = saved_search.query.model_dump(mode="json")
    await state.do(answers.api, {"do": "save", "title": "Air", "mail": False, "query": query})
    assert json.loads(answers.requests[0].content)["mail"] is False
    assert (state.done, state.saved) == ("Saved as “Air”, without mail.", (saved_search,))


async def test_bringing_is_followed_until_it_is_over() -> None:
    answers = Answers(dataspace_transfers=lambda request: moving if request.method == "POST" else [moving])
    moving = transfer(TransferState.RUNNING)
    state = DataspaceState()
    await state.do(answers.api, {"do": "bring", "record_id": 1, "file": 0, "project": "demo"})
    assert state.something_moves
    assert "demo" in state.done
    state.transfers = (transfer(TransferState.DONE),)
    assert not state.something_moves


UPLOADED = Upload(
    id=1, project="demo", name="a.csv", bytes=4, sha256="a" * 64, state=UploadState.STORED, received=4, created=NOW
)


async def test_a_file_of_a_project_is_uploaded_and_can_then_be_chosen() -> None:
    moving = transfer(TransferState.RUNNING, kind="upload", record_id=0)
    over = transfer(TransferState.DONE, kind="upload", record_id=0)
    lists = iter([[], [moving], [over]])
    stored = iter([[], [], [UPLOADED]])
    answers = Answers(
        dataspace_transfers=lambda _: next(lists),
        dataspace_transfers_uploads=moving,
        store_uploads=lambda _: next(stored),
    )
    state = DataspaceState()
    await state.do(answers.api, {"do": "uploads"})
    await state.do(answers.api, {"do": "upload", "project": "demo", "path": "results/a.csv"})
    assert (state.trouble, state.uploads, state.something_moves) == (None, (), True)
    await state.refresh_transfers(answers.api)
    assert (state.uploads, state.something_moves) == ((UPLOADED,), False)


def test_a_file_is_published_from_a_notebook(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    (directory / "results").mkdir(parents=True)
    (directory / "results/a.csv").write_bytes(b"a\n1\n")
    (directory / "results/link.csv").symlink_to("/etc/passwd")
    description = {"title": "Mean", "description": "The mean of it.", "publisher": "Demo", "contact": "d@x.example"}
    description["licence"] = "https://creativecommons.org/licenses/by/4.0/"
    published = {
        "slug": "mean-1",
        "record_id": 7,
        "form": {**description, "project": "demo"},
        "quality": {"score": 90, "badge": "good"},
        "created": NOW.isoformat(),
        "modified": NOW.isoformat(),
    }
    project = {"slug": "demo", "title": "Demo", "account": "demo", "call": "", "cpu_hours": 1, "gpu_hours": 0}
    project |= {"storage_gb": 0, "partitions": [], "starts": "2026-01-01", "until": None, "phase": "open"}
    project |= {"state": "active", "directory": str(directory), "members": [], "steps": []}
    project |= {"role": "member", "files_until": None}
    answers = Answers(projects_demo=project, store_uploads=UPLOADED, dataspace_publications=published)
    space = DataSpace(answers.api)
    assert space.publish_file("results/a.csv", project="demo", **description).slug == "mean-1"
    started, form = (json.loads(request.content) for request in answers.requests[1:])
    assert started == {
        "project": "demo",
        "name": "a.csv",
        "bytes": 4,
        "sha256": hashlib.sha256(b"a\n1\n").hexdigest(),
    }
    assert form["files"] == [{"title": "a.csv", "stored": "a" * 64}]
    space.publish_file(directory / "results/a.csv", project="demo", **description)
    space.publish_file("projects/demo/results/a.csv", project="demo", **description)
    for path in ("results/link.csv", "/etc/passwd", "../x", "missing.csv"):
        with pytest.raises(InvalidInput):
            space.publish_file(path, project="demo", **description)
    number = len(answers.requests)
    with pytest.raises(InvalidInput, match="Title"):
        space.publish_file("results/a.csv", project="demo", **description | {"title": "x"})
    assert [request.method for request in answers.requests[number:]] == ["GET"], "nothing is sent before"


async def test_a_published_file_is_used_through_the_store() -> None:
    answers, state = Answers(dataspace_records_1=page(stored=(True,))), DataspaceState()
    await state.do(answers.api, {"do": "open", "id": 1})
    assert state.snippets == ("from widgets import DataSpace\n\npath = DataSpace().fetch(1)\npath",)


@pytest.mark.parametrize("text", HOSTILE if isinstance(HOSTILE, list) else [*HOSTILE.values()])
async def test_hostile_text_reaches_the_page_as_text(text: Any) -> None:
    """As JSON has it: the page's script puts strings in as text nodes and knows no markup."""
    title = str(text)
    view = Dataspace()
    view.state.record = page(title)
    assert view.front.page_state["record"]["record"]["title"]["en"] == title
    assert title not in view.text.value or not title.strip("<>")


def test_the_script_of_the_page_never_parses_markup() -> None:
    script = str(Front._esm)
    for door in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"):
        assert door not in script


def test_everything_shown_is_a_trait_of_the_state() -> None:
    assert set(SHOWN) <= set(DataspaceState().trait_names())


@pytest.mark.parametrize("path", ['/p/"); import os; os.system("x', "/p/a\nb.csv", "/p/\\", "/p/{x}.csv"])
def test_a_snippet_is_one_call_whatever_the_name(path: str) -> None:
    for code in (snippets.local(path, "CSV"), snippets.remote(f"https://x.example{path}", "PARQUET")):
        names = compile(code, "snippet", "exec").co_names
        assert "system" not in names


def test_a_notebook_escapes_texts_about_the_data() -> None:
    notebook = snippets.notebook("```\n# <script>", "a\n```\n<img src=x>", "1")
    source = notebook["cells"][0]["source"]
    assert source.count("```") == 2
    assert source.startswith("```text\n") and source.endswith("\n```")


# -- in a notebook ----------------------------------------------------------------------------------------------------


def test_a_file_is_fetched_as_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widgets.dataspace.notebook.LOOK_SECONDS", 0)
    progress = Progress(state=TransferState.DONE, path="data/air-1/a.csv")
    states = iter([transfer(TransferState.RUNNING), transfer(TransferState.DONE, progress=progress)])
    answers = Answers(dataspace_transfers=transfer(TransferState.WAITING), dataspace_transfers_3=lambda _: next(states))
    space = DataSpace(answers.api)
    assert space.fetch(1, project="demo") == Path("/projects/demo/data/air-1/a.csv")
    assert json.loads(answers.requests[0].content) == {"record_id": 1, "project": "demo"}


def test_a_file_that_is_not_what_was_described_comes_with_a_warning() -> None:
    progress = Progress(state=TransferState.DONE, path="data/air-1/a.csv")
    over = transfer(TransferState.DONE, progress=progress, reason="It is a PDF document.")
    with pytest.warns(UserWarning, match="PDF document"):
        DataSpace(Answers(dataspace_transfers=over).api).fetch(1, project="demo")


def test_a_file_that_does_not_come_says_why() -> None:
    answers = Answers(dataspace_transfers=transfer(TransferState.QUARANTINED, reason="Its checksum is wrong."))
    with pytest.raises(AtriumError, match="checksum is wrong"):
        DataSpace(answers.api).fetch(1, project="demo")


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ({"do": "open", "id": 1}, {"do": "open", "id": 2}, "record"),
        ({"do": "preview", "id": 1, "file": 0}, {"do": "preview", "id": 2, "file": 0}, "preview"),
        ({"do": "runs", "name": "one"}, {"do": "runs", "name": "two"}, "runs"),
        ({"do": "transfers"}, {"do": "transfers"}, "transfers"),
        ({"do": "sources"}, {"do": "sources"}, "sources"),
        ({"do": "saved"}, {"do": "saved"}, "saved"),
        ({"do": "publications"}, {"do": "publications"}, "publications"),
    ],
)
async def test_the_answer_to_the_newest_question_stays(
    first: dict[str, Any], second: dict[str, Any], name: str
) -> None:
    """The first answer comes last, and the second time it is an error."""
    state = DataspaceState()
    api: Any = SlowApi()
    for late in (lambda: None, lambda: AtriumError("No.")):
        slow = asyncio.create_task(state.do(api, first))
        await api.requested(1)
        quick = asyncio.create_task(state.do(api, second))
        await api.requested(2)
        older, newer = api.calls
        api.calls.clear()
        newer.set_result(ANSWERS[name])
        await quick
        shown = getattr(state, name)
        assert shown is not None
        assert state.working
        error = late()
        older.set_exception(error) if error else older.set_result(ANSWERS[name])
        await slow
        assert getattr(state, name) is shown
        assert (state.trouble, state.working) == (None, False)


ANSWERS: dict[str, Any] = {
    "record": page(),
    "preview": Preview(columns=("a",), types=("int",), rows=(), bytes_read=1, ranges=True, complete=True),
    "runs": (),
    "transfers": (),
    "sources": (),
    "saved": (),
    "publications": (),
}


class SlowApi:
    """An API whose answers a test gives, in any order."""

    def __init__(self) -> None:
        self.calls: list[concurrent.futures.Future[Any]] = []
        self.dataspace = self

    def __getattr__(self, name: str) -> Any:
        def call(*_arguments: Any, **_options: Any) -> Any:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            self.calls.append(future)
            return future.result(5)

        return call

    async def requested(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.calls) < count:
                await asyncio.sleep(0.005)


async def test_rows_of_a_file_are_not_shown_under_another_record() -> None:
    state, api = DataspaceState(), SlowApi()
    preview = asyncio.create_task(state.do(api, {"do": "preview", "id": 1, "file": 0}))  # type: ignore[arg-type]
    await api.requested(1)
    opening = asyncio.create_task(state.do(api, {"do": "open", "id": 2}))  # type: ignore[arg-type]
    await api.requested(2)
    api.calls[1].set_result(ANSWERS["record"])
    await opening
    api.calls[0].set_result(ANSWERS["preview"])
    await preview
    assert state.preview is None


@pytest.mark.parametrize(
    "message",
    [
        {"do": "bring", "record_id": 1, "file": 0, "project": "demo"},
        {"do": "cancel", "id": 3},
        {"do": "withdraw", "slug": "air"},
        {"do": "remove_source", "name": "cat"},
    ],
)
async def test_a_second_press_changes_nothing_twice(message: dict[str, Any]) -> None:
    state, api = DataspaceState(), SlowApi()
    presses = [asyncio.create_task(state.do(api, dict(message))) for _ in range(2)]  # type: ignore[arg-type]
    await api.requested(1)
    await asyncio.sleep(0.05)
    assert len(api.calls) == 1
    api.calls[0].set_exception(AtriumError("No."))
    await asyncio.gather(*presses)
    again = asyncio.create_task(state.do(api, dict(message)))  # type: ignore[arg-type]
    await api.requested(2)
    api.calls[1].set_exception(AtriumError("No."))
    await again


async def test_two_changes_that_differ_are_both_made() -> None:
    state, api = DataspaceState(), SlowApi()
    message = {"do": "bring", "record_id": 1, "project": "demo"}
    presses = [asyncio.create_task(state.do(api, message | {"file": file})) for file in (0, 1)]  # type: ignore[arg-type]
    await api.requested(2)
    for call in api.calls:
        call.set_exception(AtriumError("No."))
    await asyncio.gather(*presses)


def evaluated(folder: Path, names: str, script: str) -> Any:
    """What a script prints as JSON that uses functions of the part in the browser."""
    (folder / "front.mjs").write_text((HERE / "front.js").read_text())
    script = f"""
        Object.defineProperty(globalThis, "navigator", {{ value: {{ language: "en" }}, configurable: true }});
        const {{ {names} }} = await import("./front.mjs");
        {script}
    """
    argv = [str(shutil.which("node")), "--input-type=module", "--eval", script]
    return json.loads(subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, as the proxy does")
def test_a_search_is_in_the_address_with_all_that_it_has(tmp_path: Path) -> None:
    script = """
        const place = searchPlace({ text: "air", chips: ["keyword:noise", "country:BEL"],
            updated_from: "2020-01-01", updated_to: "2021-12-31", sort: "oldest" });
        const address = writeAddress({ ...place, view: "search", record: null });
        console.log(JSON.stringify([address, place, readAddress(address),
            readAddress("#sort=constructor&from=yesterday&to=2020-1-1&chip=shell:x")]));
    """
    address, place, from_address, ignored = evaluated(tmp_path, "readAddress, writeAddress, searchPlace", script)
    assert address == "#q=air&chip=keyword%3Anoise&chip=country%3ABEL&from=2020-01-01&to=2021-12-31&sort=oldest"
    assert from_address == place | {"view": "search", "record": None}
    assert (ignored["sort"], ignored["from"], ignored["to"], ignored["chips"]) == ("relevance", "", "", [])


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, as the proxy does")
def test_the_project_that_was_chosen_stays_or_none_is(tmp_path: Path) -> None:
    script = """
        const projects = [{ slug: "a", title: "A" }, { slug: "b", title: "" }];
        console.log(JSON.stringify([
            chosenProject(projects, "b"), chosenProject([projects[0]], "b"), chosenProject(projects, undefined).slug,
        ]));
    """
    both = [["a", "A"], ["b", "b"]]
    assert evaluated(tmp_path, "chosenProject", script) == [
        {"options": both, "slug": "b"},
        {"options": [["", "Choose a project"], ["a", "A"]], "slug": ""},
        "",
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, as the proxy does")
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Pacific/Auckland"])
def test_a_day_without_a_time_is_the_same_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    script = 'console.log(JSON.stringify([day("2026-01-05"), day("2026-01-05T23:30:00Z")]));'
    of_moment = {"Pacific/Auckland": "6 Jan 2026"}.get(zone, "5 Jan 2026")
    assert evaluated(tmp_path, "day", script) == ["5 Jan 2026", of_moment]


ASK = Use(verdict=Verdict.ASK, reason="Ask.", conditions=("You may use it, only if …",), digest="a" * 64)


async def test_of_a_file_with_conditions_no_code_is_shown_until_they_are_accepted() -> None:
    code = RemoteUse(address="https://x.example/a.csv", code="read()")
    answers = Answers(dataspace_records_1=page(uses=((ASK,),)), dataspace_records_1_remote_use=code)
    state = DataspaceState()
    await state.do(answers.api, {"do": "open", "id": 1})
    assert state.snippets == ("",)
    await state.do(answers.api, {"do": "use", "id": 1, "file": 0, "offer": "", "accepted": ASK.digest})
    assert (state.snippets, state.trouble) == (("read()",), None)
    assert json.loads(answers.requests[-1].content) == {"accepted": ASK.digest}


async def test_changed_conditions_are_read_anew() -> None:
    changed = ASK.model_copy(update={"digest": "b" * 64})
    pages = iter((page(uses=((ASK,),)), page(uses=((changed,),))))
    error = TermsNotAccepted.of("The conditions have changed.", [changed.model_dump(mode="json")])
    answers, state = Answers(dataspace_records_1=lambda _: next(pages), dataspace_transfers=error), DataspaceState()
    await state.do(answers.api, {"do": "open", "id": 1, "language": "de"})
    await state.do(answers.api, {"do": "bring", "record_id": 1, "project": "demo", "accepted": ASK.digest})
    assert (state.failed, state.trouble and state.trouble.message) == ("bring", "The conditions have changed.")
    assert state.record and state.record.uses[0][0].digest == changed.digest
    assert answers.requests[-1].url.params["language"] == "de"


def test_fetch_tells_the_conditions_and_sends_their_digest() -> None:
    error = TermsNotAccepted.of("Ask.", [ASK.model_dump(mode="json")])
    done = transfer(TransferState.DONE, progress=Progress(state=TransferState.DONE, path="data/a.csv"))
    answers = Answers(dataspace_transfers=lambda request: done if b"accepted" in request.content else error)
    space = DataSpace(answers.api)
    with pytest.raises(TermsNotAccepted) as refusal:
        space.fetch(1, project="demo")
    [terms] = refusal.value.terms
    assert terms["conditions"] == list(ASK.conditions)
    assert space.fetch(1, project="demo", accepted=terms["digest"]) == Path("/projects/demo/data/a.csv")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, as the proxy does")
def test_news_that_draw_the_page_anew_keep_the_chosen_project(tmp_path: Path) -> None:
    (tmp_path / "front.mjs").write_text((HERE / "front.js").read_text())
    script = """
        Object.defineProperty(globalThis, "navigator", { value: { language: "en" }, configurable: true });
        globalThis.document = { createElement: () => ({
            children: [], listeners: {}, setAttribute() {},
            append(...children) { this.children.push(...children); },
            addEventListener(name, act) { this.listeners[name] = act; },
        }) };
        const { Page } = await import("./front.mjs");
        const projects = [{ slug: "a", title: "A" }, { slug: "b", title: "B" }];
        const state = { me: { projects } };
        const page = Object.create(Page.prototype, { state: { value: state }, destinations: { value: {} } });
        const draw = (at) => page.bringing({ id: 1 }, { download_url: "https://example.eu/x.csv" }, at).children[0];
        const first = draw(0);
        first.value = "b";
        first.listeners.change();
        console.log(JSON.stringify([draw(0).value, draw(1).value]));
    """
    argv = [str(shutil.which("node")), "--input-type=module", "--eval", script]
    output = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(output) == ["b", "a"], "of this file, and of no other"
