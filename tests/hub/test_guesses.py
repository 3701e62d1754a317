"""How many guesses at a password, a token or a code are let through, and whom they delay."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from hub.errors import TooManyAttempts
from hub.guesses import Guesses
from hub.settings import Login
from tests.hub.fakes import Clock


@pytest.fixture
def reports() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def guesses(clock: Clock, reports: list[tuple[str, int]]) -> Guesses:
    return Guesses(Login(), lambda kind, count: reports.append((kind, count)), clock=clock)


def sign_in(
    guesses: Guesses,
    account: str = "maria",
    address: str | None = "192.0.2.7",
    device: str | None = None,
    *,
    right: bool = False,
) -> int:
    """Try a password; returns the seconds to wait, 0 if the attempt was let through."""
    try:
        with guesses.password(account, address, device) as attempt:
            attempt.counts = not right
    except TooManyAttempts as error:
        assert error.seconds
        return error.seconds
    return 0


def wrong_guesses(guesses: Guesses, clock: Clock, seconds: float, address: str | None = "192.0.2.7") -> int:
    """Guesses that are let through within ``seconds`` if somebody tries ten times a second."""
    end, count = clock.now + seconds, 0
    while clock.now < end:
        count += sign_in(guesses, address=address) == 0
        clock.now += 0.1
    return count


@pytest.mark.parametrize("address", ["192.0.2.7", None], ids=["elsewhere", "this machine"])
def test_guesses_at_an_account_become_slow(guesses: Guesses, clock: Clock, address: str | None) -> None:
    assert wrong_guesses(guesses, clock, 60, address) <= 10
    assert wrong_guesses(guesses, clock, 3600, address) <= 20


def test_guesses_at_an_account_from_many_addresses_become_slow_too(guesses: Guesses, clock: Clock) -> None:
    let_through = 0
    for number in range(2000):
        let_through += sign_in(guesses, address=f"192.0.2.{number % 250}") == 0
        clock.now += 0.1
    assert let_through <= 28


def test_guesses_at_many_accounts_from_an_address_have_a_rate(guesses: Guesses, clock: Clock) -> None:
    let_through = 0
    for number in range(6000):
        let_through += sign_in(guesses, account=f"person{number}") == 0
        clock.now += 0.1
    assert 60 <= let_through <= 60 + 10 * 70
    assert sign_in(guesses, "new", "192.0.2.7") and not sign_in(guesses, "new", "192.0.2.8")


def test_guesses_at_many_accounts_from_this_machine_delay_nobody_else(guesses: Guesses) -> None:
    for number in range(500):
        sign_in(guesses, account=f"person{number}", address=None)
    assert sign_in(guesses, account="maria", address=None, right=True) == 0


def test_a_right_password_is_refused_like_a_wrong_one_while_it_has_to_wait(guesses: Guesses) -> None:
    for _ in range(6):
        assert sign_in(guesses) == 0
    assert sign_in(guesses) == sign_in(guesses, right=True) == 2


def test_a_right_password_clears_the_count(guesses: Guesses) -> None:
    for _ in range(3):
        for _ in range(5):
            assert sign_in(guesses) == 0
        assert sign_in(guesses, right=True) == 0


def test_many_guesses_at_once_are_no_way_around(guesses: Guesses) -> None:
    let_through = 0
    with ExitStack() as open_attempts:
        for _ in range(100):
            try:
                open_attempts.enter_context(guesses.password("maria", "192.0.2.7", None))
            except TooManyAttempts:
                continue
            let_through += 1
    assert let_through == 6


def test_an_interrupted_attempt_counts(guesses: Guesses) -> None:
    for _ in range(6):
        with pytest.raises(RuntimeError), guesses.password("maria", None, None):
            raise RuntimeError("PAM is broken")
    assert sign_in(guesses, address=None)


def test_a_known_device_gets_in_whatever_others_guess(guesses: Guesses, clock: Clock) -> None:
    for number in range(3000):
        sign_in(guesses, address=f"192.0.2.{number % 250}")
        sign_in(guesses, account=f"person{number}")
        clock.now += 0.05
    assert sign_in(guesses, right=True)
    assert sign_in(guesses, device="laptop", right=True) == 0


def test_guesses_from_a_known_device_become_slow_too(guesses: Guesses) -> None:
    for _ in range(6):
        assert sign_in(guesses, device="laptop") == 0
    assert sign_in(guesses, device="laptop")


@pytest.mark.parametrize("address", ["192.0.2.7", None], ids=["elsewhere", "this machine"])
def test_a_classroom_behind_one_address_is_never_delayed(guesses: Guesses, address: str | None) -> None:
    with ExitStack() as open_attempts:  # all at once, and PAM takes its time
        for number in range(70):
            attempt = open_attempts.enter_context(guesses.password(f"learner{number}", address, None))
            attempt.counts = False
    for number in range(30):
        assert sign_in(guesses, f"learner{number}", address) == 0  # a typing error each
        assert sign_in(guesses, f"learner{number}", address, right=True) == 0


def test_tokens_have_a_rate_for_each_address(guesses: Guesses) -> None:
    for _ in range(61):
        with guesses.token("192.0.2.7"):
            pass
    with pytest.raises(TooManyAttempts), guesses.token("192.0.2.7"):
        pass
    for address in ("192.0.2.8", None):
        with guesses.token(address):
            pass


def test_codes_are_counted_for_each_person(guesses: Guesses) -> None:
    for _ in range(6):
        with guesses.code("maria", None):
            pass
    with pytest.raises(TooManyAttempts), guesses.code("maria", None):
        pass
    with guesses.code("jan", None):
        pass


def test_admins_are_told_once_an_hour(guesses: Guesses, clock: Clock, reports: list[tuple[str, int]]) -> None:
    for _ in range(1000):
        sign_in(guesses)
    assert reports == [("passwords", 100)]
    clock.now += 3600
    for _ in range(99):
        sign_in(guesses)
    assert len(reports) == 1
    sign_in(guesses)
    assert len(reports) == 2
