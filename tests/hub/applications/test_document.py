"""The text of the PDF."""

from io import BytesIO

import pytest
from pypdf import PdfReader

from hub.errors import InvalidInput
from hub.organisations.models import ProfileForm
from tests.hub.fakes import form, settle, submitted


def text_of(content):
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)


@pytest.fixture
def founder(person):
    founder = person("founder")
    settle(founder)
    return founder


def test_what_was_submitted_is_in_it(founder, person):
    number = submitted(founder).summary.id
    content = founder.applications.document(number, 1)
    text = text_of(content)
    for words in ("Green steel from hydrogen", "Ada Lovelace", "Green Steel GmbH", "small enterprise", "GPU hours"):
        assert words in text
    assert "200" in text
    assert "A-00001, version 1" in text
    reviewer = person("reviewer", groups=["reviewers"])
    reviewer.reviews.declare_conflict(number, conflict=False)
    assert "Green steel" in text_of(reviewer.reviews.case_document(number))


def test_a_draft_says_that_it_is_one(founder, person):
    draft = founder.applications.start(form())
    assert "A-00001, draft" in text_of(founder.applications.document(draft.summary.id))
    nobody = person("trainer")
    draft = nobody.applications.start(form())
    with pytest.raises(InvalidInput) as refused:
        nobody.applications.document(draft.summary.id)
    assert refused.value.field == "organisation"


def test_price_and_conditions_are_in_it(founder):
    text = text_of(founder.applications.document(submitted(founder).summary.id, 1))
    assert "Free of charge for you: the SME test says that yours is an SME." in " ".join(text.split())
    science = submitted(
        founder,
        call="ai-for-science-2026",
        resources=form().resources.model_dump() | {"months": 6},
        conditions={"funded-project": True},
    )
    text = " ".join(text_of(founder.applications.document(science.summary.id, 1)).split())
    assert "Is the work part of a project funded by Horizon Europe or Digital Europe? yes" in text
    assert "Free of charge for you. Read in one source only." in text


def test_duties_say_from_when_they_apply(founder):
    number = submitted(founder, ai_act=form().ai_act | {"annex-iii": True, "synthetic-content": True}).summary.id
    text = " ".join(text_of(founder.applications.document(number, 1)).split())
    assert "Applies from 2 December 2027." in text
    assert "this applies from 2 December 2026" in text


def test_it_is_in_words_and_says_how_to_reach_the_applicant(founder):
    founder.organisations.write_profile(ProfileForm(full_name="Ada Lovelace", contact="ada@example.eu"))
    number = submitted(founder, goal="train").summary.id
    text = " ".join(text_of(founder.applications.document(number, 1)).split())
    for words in ("ada@example.eu", "Company or start-up", "Austria", "GPU partition", "Train or fine-tune a model"):
        assert words in text, words
    for code in ("atrium-gpu", "(company, AT)"):
        assert code not in text, code


@pytest.mark.parametrize(
    "text",
    [
        "<b>bold</b> <script>alert(1)</script>",
        "**bold** --under-- [link](https://evil.example) __x__",
        "{nb} {{x}} %PDF-1.4 endobj (unbalanced \\) ( paren",
        "\u202eevil\u202c \u200bzero\u200d",
        "emoji 😀👩‍👩‍👧, 漢字, العربية, हिन्दी",
        "x" * 3000,
        "\n" * 500 + "end",
        "word " * 3000,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_typed_is_text(founder, text):
    filled = text + " and enough words to be a use case of some length."
    number = submitted(founder, use_case=filled).summary.id
    content = founder.applications.document(number, 1)
    assert content.startswith(b"%PDF-")
    assert b"/JavaScript" not in content
    assert b"/URI" not in content
    assert "a use case of some length" in " ".join(text_of(content).split())
