"""The overview of a person from the API, and the page when it does not answer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

from hub.pages import overview
from tests.hub.pages.test_handlers import OVERVIEW


def overviews(answer: Any, **options: Any) -> overview.Overviews:
    return overview.Overviews(
        "http://api/services/atrium/api", lambda: "secret", transport=httpx2.MockTransport(answer), **options
    )


async def test_overview_is_asked_for_as_service_pages() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/services/atrium/api/people/maria/overview"
        assert request.headers["Authorization"] == "token secret"
        return httpx2.Response(200, json=OVERVIEW)

    overview_answer = await overviews(answer).of("maria")
    assert overview_answer.overview is not None and overview_answer.overview.me.display_name == "Maria <Muster>"
    assert not overview_answer.stale


async def test_last_good_answer_is_shown_when_the_api_fails() -> None:
    answers = iter([httpx2.Response(200, json=OVERVIEW), httpx2.Response(503), httpx2.Response(200, json={"me": 1})])
    api = overviews(lambda _request: next(answers))
    good = await api.of("maria")
    for _ in range(2):
        later = await api.of("maria")
        assert later.stale and later.overview == good.overview and later.as_of == good.as_of


async def test_somebody_never_heard_of_gets_no_hours_of_others() -> None:
    api = overviews(lambda _request: httpx2.Response(500))
    assert await api.of("maria") == overview.Answer(stale=True)


async def test_a_silent_api_costs_no_more_than_the_deadline() -> None:
    async def never(_request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(60)
        raise AssertionError

    overview_answer = await asyncio.wait_for(overviews(never, deadline=0.05).of("maria"), timeout=2)
    assert overview_answer.stale


async def test_memory_is_bounded() -> None:
    api = overviews(lambda _request: httpx2.Response(200, json=OVERVIEW), remembered=2)
    for name in ("a", "b", "a", "c"):
        await api.of(name)
    assert [bool(api.last(name).overview) for name in ("a", "b", "c")] == [True, False, True]


async def test_a_mailbox_is_asked_for_as_service_pages_and_page_by_page() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/services/atrium/api/people/maria/mail"
        assert request.headers["Authorization"] == "token secret"
        address = request.url.params.get("before", "none")
        return httpx2.Response(200, json={"address": address, "is_sent": True, "mails": []})

    for before, address in ((None, "none"), (7, "7")):
        mailbox = await overviews(answer).mailbox("maria", before)
        assert mailbox is not None and mailbox.address == address


async def test_a_mailbox_that_cannot_be_read_is_none_and_not_empty() -> None:
    assert await overviews(lambda _request: httpx2.Response(503)).mailbox("maria", None) is None
