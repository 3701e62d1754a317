"""An application as PDF. What people typed is set as text and never as markup."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from hub.applications.models import Form, Version
from hub.calls.eligibility import answered
from hub.calls.models import GOAL_WORDS, KIND_WORDS, Programme, Source
from hub.formats import day, moment, quantity

FONTS = Path("/usr/share/fonts/truetype/dejavu")
"""Debian's fonts-dejavu-core: Latin, Greek, Cyrillic, Arabic and more; what it lacks is shown as a box."""
FAMILY = "DejaVu"
LINE_MM = 5.5
LONGEST_WORD = 60

logging.getLogger("fpdf").setLevel(logging.ERROR)  # it warns of every sign that a font lacks
logging.getLogger("fontTools").setLevel(logging.ERROR)


def render(programme: Programme, version: Version, reference: str) -> bytes:
    """The bytes of the PDF."""
    pdf = _Document(f"{reference}, version {version.number}" if version.number else f"{reference}, draft")
    pdf.heading(version.form.title or "Untitled", level=1)
    for title, rows in _sections(programme, version):
        pdf.heading(title, level=2)
        for label, text in rows:
            pdf.row(label, text)
    return bytes(pdf.output())


def _sections(programme: Programme, version: Version) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    form, profile, organisation = version.form, version.profile, version.organisation
    yield (
        "Applicant",
        [
            ("Name", profile.full_name),
            ("Position", profile.position),
            ("Contact", profile.contact or ""),
            ("ORCID", profile.orcid),
            ("Organisation", organisation.name),
            ("Kind of organisation", KIND_WORDS[organisation.kind]),
            ("Country", programme.country(organisation.country)),
            ("Registration", organisation.registration),
            ("Website", organisation.website),
            ("SME test", "\n".join((version.sme.title, *version.sme.reasons)) if version.sme else "not needed"),
            ("Submitted", moment(version.submitted) if version.number else "not yet"),
        ],
    )
    yield "Purpose", _purpose(programme, version)
    yield "Resources", _resources(programme, form)
    datasets = [f"{dataset.title} {dataset.url}".strip() for dataset in form.data.datasets]
    yield (
        "Data",
        [
            ("Data sets", "\n".join(datasets)),
            ("Personal data", {True: "yes", False: "no", None: "not answered"}[form.data.personal_data]),
            ("Remarks", form.data.remarks),
        ],
    )
    check = version.self_check
    findings = [f"{finding.article}: {_marked(finding.consequence, finding.source)}" for finding in check.findings]
    yield (
        "AI Act self-check",
        [
            ("Result", check.summary),
            ("Duties", "\n".join(findings)),
            ("Computing for the model", "\n".join(check.remarks)),
            ("Note", check.advice),
        ],
    )
    declaration = form.declaration
    yield (
        "Declaration",
        [
            ("Ethics", declaration.issues),
            ("Civilian use only", "confirmed" if declaration.civilian_use else "not confirmed"),
            ("Information is true", "confirmed" if declaration.truthful else "not confirmed"),
        ],
    )


def _purpose(programme: Programme, version: Version) -> list[tuple[str, str]]:
    form = version.form
    call = programme.call(form.call) if form.call else None
    sector = next((sector.title for sector in programme.sectors if sector.id == form.sector), "")
    return [
        ("Call", call.title if call else form.call or ""),
        ("Price", _marked(version.price.text, version.price.source) if version.price else ""),
        *answered(programme, form.conditions),
        ("Sector", sector),
        ("Goal", GOAL_WORDS[form.goal] if form.goal else ""),
        ("Use case", form.use_case),
    ]


def _marked(text: str, source: Source | None) -> str:
    """A statement, marked if its source is not confirmed."""
    return f"{text} {source.doubt}".strip() if source else text


def _resources(programme: Programme, form: Form) -> list[tuple[str, str]]:
    resources = form.resources
    systems = [programme.system(name) for name in resources.systems]
    titles = [system.title if system else name for system, name in zip(systems, resources.systems, strict=True)]
    return [
        ("GPU hours", quantity(resources.gpu_hours)),
        ("Core hours", quantity(resources.cpu_hours)),
        ("Storage", f"{quantity(resources.storage_gb)} GB"),
        ("Duration", _months(resources.months) if resources.months else ""),
        ("Preferred start", day(resources.starts) if resources.starts else ""),
        ("Systems", ", ".join(titles)),
        ("Justification", resources.justification),
    ]


def _months(count: int) -> str:
    return "1 month" if count == 1 else f"{count} months"


class _Document(FPDF):
    def __init__(self, footer: str) -> None:
        super().__init__(format="A4")
        self._footer = footer
        self.add_font(FAMILY, "", str(FONTS / "DejaVuSans.ttf"))
        self.add_font(FAMILY, "B", str(FONTS / "DejaVuSans-Bold.ttf"))
        self.set_auto_page_break(auto=True, margin=18)
        self.add_page()

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(FAMILY, "", 8)
        self.cell(0, 6, f"{self._footer} · page {self.page_no()}", align="C")

    def heading(self, text: str, *, level: int) -> None:
        self.ln(2 if level > 1 else 0)
        self.set_font(FAMILY, "B", 16 if level == 1 else 12)
        self._write(text)

    def row(self, label: str, text: str) -> None:
        if text.strip():
            self.set_font(FAMILY, "B", 9)
            self._write(label)
            self.set_font(FAMILY, "", 10)
            self._write(text)

    def _write(self, text: str) -> None:
        self.multi_cell(0, LINE_MM, _printable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, markdown=False)


def _printable(text: str) -> str:
    """Without signs that are instructions and not text, direction overrides among them; and no word too long to set."""
    signs = "".join(sign for sign in text.replace("\t", "    ") if sign == "\n" or sign.isprintable())
    words = (word for word in signs.split(" "))
    return " ".join(_broken(word) for word in words)


def _broken(word: str) -> str:
    return " ".join(word[at : at + LONGEST_WORD] for at in range(0, len(word), LONGEST_WORD)) or word
