"""The data-space page without a browser: API calls of each action, and errors."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hub.client import Api
from hub.dataspace.models import Distribution, Query, Record, RecordPage, SearchAnswer, UsableNow, Verdict
from hub.dataspace.saved_searches.models import SavedSearch
from hub.dataspace.sources.models import Run, RunState, Source, SourceForm
from hub.dataspace.transfers import snippets
from hub.dataspace.transfers.models import Progress, Transfer, TransferState
from hub.errors import AtriumError, InvalidInput
from widgets.dataspace import DataSpace, Dataspace, DataspaceState
from widgets.dataspace.view import SHOWN, Front, plain

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


@pytest.mark.parametrize(
    "message",
    [
        {"do": "search", "query": {"text": "x", "chips": ["shell:rm"]}},
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
    return Source.model_validate({"form": form, "records": 0, "from_settings": False, "due": None, "last": None} | more)


def run(state: RunState) -> Run:
    counts = dict.fromkeys(("pages", "read", "new", "changed", "removed", "refused"), 0)
    fields = {"id": 1, "state": state, "started": NOW, "ended": None, "refusals": (), "reason": ""}
    return Run.model_validate(counts | fields)


@pytest.mark.parametrize(
    ("harvested", "moves"),
    [
        (source(), False),
        (source(due=datetime.now(UTC) - timedelta(seconds=1)), True),
        (source(due=datetime.now(UTC) + timedelta(hours=1), last=run(RunState.COMPLETE)), False),
        (source(last=run(RunState.RUNNING)), True),
    ],
)
async def test_a_harvest_is_followed_until_it_is_over(harvested: Source, moves: bool) -> None:
    answers, state = Answers(dataspace_sources=[harvested]), DataspaceState()
    await state.do(answers.api, {"do": "sources"})
    assert state.something_is_harvested is moves


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


def test_a_file_that_does_not_come_says_why() -> None:
    answers = Answers(dataspace_transfers=transfer(TransferState.QUARANTINED, reason="Its checksum is wrong."))
    with pytest.raises(AtriumError, match="checksum is wrong"):
        DataSpace(answers.api).fetch(1, project="demo")
