"""Recommendation 2003/361/EC, Annex."""

import pytest

from hub.calls import programme
from hub.organisations.models import Figures
from hub.organisations.sme import classify
from hub.settings import Settings

M = 1_000_000


def sme(staff, turnover, balance, *relatives, public_share=0):
    keys = ("relation", "share", "staff", "turnover", "balance")
    others = [dict(zip(keys, relative, strict=True)) for relative in relatives]
    figures = {"staff": staff, "turnover": turnover, "balance": balance, "public_share": public_share}
    return classify(programme.current(Settings()), Figures.model_validate(figures | {"relatives": others}))


@pytest.mark.parametrize(
    ("staff", "turnover", "balance", "category"),
    [
        (9, 2 * M, 2 * M, "micro"),
        (10, 2 * M, 2 * M, "small"),
        (9, 2 * M + 1, 2 * M, "micro"),  # one of the two sums is enough
        (9, 2 * M + 1, 2 * M + 1, "small"),
        (49, 10 * M, 99 * M, "small"),
        (249, 50 * M, 99 * M, "medium"),
        (249, 99 * M, 43 * M, "medium"),
        (249, 50 * M + 1, 43 * M + 1, "small-mid-cap"),
        (250, 1, 1, "small-mid-cap"),
        (749, 150 * M, 999 * M, "small-mid-cap"),
        (749, 999 * M, 129 * M, "small-mid-cap"),
        (749, 150 * M + 1, 129 * M + 1, "large"),
        (750, 1, 1, "large"),
        (249.5, 1, 1, "medium"),
        (0, 0, 0, "micro"),
    ],
)
def test_the_category_follows_the_ceilings(staff, turnover, balance, category):
    result = sme(staff, turnover, balance)
    assert (result.category, result.is_sme) == (category, category in ("micro", "small", "medium"))
    assert result.reasons
    assert str(result.source.as_of) == ("2025-05-21" if category == "small-mid-cap" else "2003-05-06")


def test_linked_enterprises_count_in_full():
    result = sme(40, M, M, ("linked", 100, 220, M, M))
    assert (result.category, result.staff) == ("small-mid-cap", 260)
    assert "linked" in result.reasons[0]


def test_partners_count_by_their_share():
    result = sme(40, M, M, ("partner", 30, 100, 10 * M, 10 * M))
    assert (result.category, result.staff, result.turnover) == ("medium", 70, 4 * M)


def test_less_than_a_partner_s_share_does_not_count():
    assert sme(9, M, M, ("partner", 24.9, 10_000, 900 * M, 900 * M)).category == "micro"


def test_more_than_half_is_linked_whatever_it_is_called():
    assert sme(9, M, M, ("partner", 50.1, 300, M, M)).category == "small-mid-cap"
    assert sme(9, M, M, ("partner", 50, 300, M, M)).category == "medium"


def test_a_quarter_in_public_hands_is_no_sme():
    assert not sme(9, M, M, public_share=25).is_sme
    assert sme(9, M, M, public_share=24).is_sme


def test_figures_are_compared_before_they_are_rounded():
    result = sme(200, 1, 1, ("partner", 50, 99.992, 1, 1))
    assert (result.category, result.staff) == ("medium", 249.99)
    assert "249.99 staff: fewer than 250" in " ".join(result.reasons)
    assert sme(249.996, 1, 1).category == "medium"
    result = sme(1, 50 * M, 43 * M, ("partner", 30, 1, 1, 1))
    assert (result.category, result.turnover, result.balance) == ("small-mid-cap", 50 * M + 1, 43 * M + 1)


def test_a_small_mid_cap_is_compared_with_both_ceilings():
    reasons = " ".join(sme(300, M, M).reasons)
    assert "300 staff: not fewer than 250." in reasons
    assert "So it is larger than a medium-sized enterprise." in reasons
    assert "300 staff: fewer than 750." in reasons
    assert "A small mid-cap is no SME" in reasons
    assert "So it is larger than a small mid-cap enterprise." in " ".join(sme(800, M, M).reasons)


def test_sums_are_exact():
    assert sme(9.9, 1, 1, ("partner", 50, 0.2, 0, 0)).category == "small", "ten, not a little less"
    assert sme(49.9, 1, 1, ("linked", 100, 0.1, 0, 0)).category == "medium"
