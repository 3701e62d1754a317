"""Whether an enterprise is a micro, small or medium-sized one (Recommendation 2003/361/EC, Annex). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from hub.calls.models import Programme, SmeCeiling
from hub.formats import quantity
from hub.organisations.models import Figures, Relation, Relative, SmeResult

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True)
class _Total:
    """Exact sums. They are compared as they are; for people they are rounded away from no ceiling."""

    staff: Decimal
    turnover: Decimal
    balance: Decimal

    @property
    def shown_staff(self) -> float:
        """Rounded down: who has fewer than a ceiling is shown with fewer."""
        return float(self.staff.quantize(_HUNDREDTH, ROUND_FLOOR))

    @property
    def shown_turnover(self) -> int:
        """Rounded up: who is over a ceiling is shown over it."""
        return int(self.turnover.to_integral_value(ROUND_CEILING))

    @property
    def shown_balance(self) -> int:
        return int(self.balance.to_integral_value(ROUND_CEILING))


def classify(programme: Programme, figures: Figures) -> SmeResult:
    """The category of the enterprise including linked and partner enterprises, with reasons."""
    data = programme.sme
    total, reasons = _add_up(programme, figures)
    ceiling = next((limit for limit in data.ceilings if _fits(total, limit)), None)
    reasons += _about_sizes(total, data.ceilings, ceiling)
    if figures.public_share >= data.public_from:
        ceiling = None
        reasons.append(
            f"Public bodies hold {figures.public_share:g} %, and from {data.public_from:g} % on an enterprise is no "
            "SME (Article 3(4); universities, small municipalities and some investors are excepted)."
        )
    reasons.append("The category changes only when figures stay beyond a ceiling for two years (Article 4(2)).")
    return SmeResult(
        category=ceiling.category if ceiling else "large",
        title=ceiling.title if ceiling else "large enterprise",
        is_sme=ceiling is not None and ceiling.sme,
        staff=total.shown_staff,
        turnover=total.shown_turnover,
        balance=total.shown_balance,
        reasons=tuple(reasons),
        source=programme.source((ceiling.source if ceiling else None) or data.source),
    )


def _add_up(programme: Programme, figures: Figures) -> tuple[_Total, list[str]]:
    """Totals by Article 6: linked enterprises count in full, partners by their share, others not at all."""
    staff, turnover, balance = _exact(figures.staff), Decimal(figures.turnover), Decimal(figures.balance)
    reasons = []
    for relative in figures.relatives:
        part = _part(programme, relative)
        staff += _exact(relative.staff) * part
        turnover += relative.turnover * part
        balance += relative.balance * part
        reasons.append(_about_relative(relative, part))
    return _Total(staff, turnover, balance), reasons


def _exact(number: float) -> Decimal:
    """The number as it was typed, not its binary neighbour."""
    return Decimal(str(number))


def _part(programme: Programme, relative: Relative) -> Decimal:
    if relative.relation is Relation.LINKED or relative.share > programme.sme.linked_over:
        return Decimal(1)
    return _exact(relative.share) / 100 if relative.share >= programme.sme.partner_from else Decimal(0)


def _about_relative(relative: Relative, part: Decimal) -> str:
    name = relative.name or "One more enterprise"
    if part == 1:
        return f"{name} is linked: its figures count in full (Article 6)."
    if part:
        return f"{name} is a partner: {relative.share:g} % of its figures count (Article 6)."
    return f"{name} holds or is held by less than a partner's share: its figures do not count (Article 3)."


def _fits(total: _Total, ceiling: SmeCeiling) -> bool:
    money = total.turnover <= ceiling.turnover_up_to or total.balance <= ceiling.balance_up_to
    return total.staff < ceiling.staff_below and money


def _about_sizes(total: _Total, ceilings: Sequence[SmeCeiling], ceiling: SmeCeiling | None) -> list[str]:
    """Compared with the ceiling that fits; for larger enterprises, with the largest one of SMEs and those above."""
    if ceiling is not None and ceiling.sme:
        return _about_size(total, ceiling, fits=True)
    largest = [limit for limit in ceilings if limit.sme][-1:]
    above = [limit for limit in ceilings if not limit.sme]
    compared = [*largest, *(above[: above.index(ceiling) + 1] if ceiling else above)]
    reasons = [reason for limit in compared for reason in _about_size(total, limit, fits=limit is ceiling)]
    return [*reasons, ceiling.remark] if ceiling is not None and ceiling.remark else reasons


def _about_size(total: _Total, ceiling: SmeCeiling, *, fits: bool) -> list[str]:
    staff = total.staff < ceiling.staff_below
    reasons = [f"{total.shown_staff:.12g} staff: {'fewer than' if staff else 'not fewer than'} {ceiling.staff_below}."]
    turnover, balance = total.turnover <= ceiling.turnover_up_to, total.balance <= ceiling.balance_up_to
    reasons.append(
        f"Turnover € {quantity(total.shown_turnover)} {'within' if turnover else 'over'} "
        f"€ {quantity(ceiling.turnover_up_to)}, "
        f"balance sheet € {quantity(total.shown_balance)} {'within' if balance else 'over'} "
        f"€ {quantity(ceiling.balance_up_to)}; "
        "one of the two is enough."
    )
    if not fits:
        reasons.append(f"So it is larger than a {ceiling.title}.")
    return reasons
