"""Whether an enterprise is a micro, small or medium-sized one (Recommendation 2003/361/EC, Annex). Pure."""

from __future__ import annotations

from hub.calls.models import Programme, SmeCeiling
from hub.organisations.models import Enterprise, Figures, Relation, Relative, SmeResult


def classify(programme: Programme, figures: Figures) -> SmeResult:
    """The category of the enterprise including linked and partner enterprises, with reasons."""
    data = programme.sme
    total, reasons = _add_up(programme, figures)
    ceiling = next((limit for limit in data.ceilings if _fits(total, limit)), None)
    reasons += _about_size(total, ceiling or data.ceilings[-1], fits=ceiling is not None)
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
        is_sme=ceiling is not None,
        staff=total.staff,
        turnover=total.turnover,
        balance=total.balance,
        reasons=tuple(reasons),
        source=next(source for source in programme.sources if source.id == data.source),
    )


def _add_up(programme: Programme, figures: Figures) -> tuple[Enterprise, list[str]]:
    """Totals by Article 6: linked enterprises count in full, partners by their share, others not at all."""
    staff, turnover, balance = figures.staff, float(figures.turnover), float(figures.balance)
    reasons = []
    for relative in figures.relatives:
        part = _part(programme, relative)
        staff += relative.staff * part
        turnover += relative.turnover * part
        balance += relative.balance * part
        reasons.append(_about_relative(relative, part))
    return Enterprise(staff=round(staff, 2), turnover=round(turnover), balance=round(balance)), reasons


def _part(programme: Programme, relative: Relative) -> float:
    if relative.relation is Relation.LINKED or relative.share > programme.sme.linked_over:
        return 1.0
    return relative.share / 100 if relative.share >= programme.sme.partner_from else 0.0


def _about_relative(relative: Relative, part: float) -> str:
    name = relative.name or "One more enterprise"
    if part == 1:
        return f"{name} is linked: its figures count in full (Article 6)."
    if part:
        return f"{name} is a partner: {relative.share:g} % of its figures count (Article 6)."
    return f"{name} holds or is held by less than a partner's share: its figures do not count (Article 3)."


def _fits(total: Enterprise, ceiling: SmeCeiling) -> bool:
    money = total.turnover <= ceiling.turnover_up_to or total.balance <= ceiling.balance_up_to
    return total.staff < ceiling.staff_below and money


def _about_size(total: Enterprise, ceiling: SmeCeiling, *, fits: bool) -> list[str]:
    staff = total.staff < ceiling.staff_below
    reasons = [f"{total.staff:g} staff: {'fewer than' if staff else 'not fewer than'} {ceiling.staff_below}."]
    turnover, balance = total.turnover <= ceiling.turnover_up_to, total.balance <= ceiling.balance_up_to
    reasons.append(
        f"Turnover € {total.turnover:,} {'within' if turnover else 'over'} € {ceiling.turnover_up_to:,}, "
        f"balance sheet € {total.balance:,} {'within' if balance else 'over'} € {ceiling.balance_up_to:,}; "
        "one of the two is enough."
    )
    if not fits:
        reasons.append(f"So it is larger than a {ceiling.title}.")
    return reasons
