"""One-time tickets."""

from __future__ import annotations

from widgets.ownserver.tickets import SECONDS, Tickets


def test_a_ticket_is_good_once_for_what_it_names() -> None:
    tickets = Tickets()
    ticket = tickets.issue("browser", "a.ipynb", "v1")

    assert tickets.redeem(ticket, "browser", "a.ipynb", "v1")
    assert not tickets.redeem(ticket, "browser", "a.ipynb", "v1")


def test_a_ticket_for_something_else_is_used_up() -> None:
    tickets = Tickets()
    ticket = tickets.issue("browser", "a.ipynb", "v1")

    assert not tickets.redeem(ticket, "browser", "a.ipynb", "v2")
    assert not tickets.redeem(ticket, "browser", "a.ipynb", "v1")


def test_no_ticket_allows_nothing() -> None:
    assert not Tickets().redeem("")
    assert not Tickets().redeem("", "browser", "a.ipynb", "v1")


def test_a_ticket_ends() -> None:
    now = [0.0]
    tickets = Tickets(lambda: now[0])
    first, second = tickets.issue("a"), tickets.issue("a")

    now[0] = SECONDS - 1
    assert tickets.redeem(first, "a")
    now[0] = SECONDS
    assert not tickets.redeem(second, "a")
