"""Two hundred hostile texts: refused with the field's name, or stored unchanged."""

import json
from pathlib import Path

import pytest

from hub.settings import Login
from tests.hub.fakes import FORM, ORGANISATION, settle, submitted

pytestmark = pytest.mark.process  # thousands of requests

INPUTS = json.loads((Path(__file__).parents[2] / "data/hostile.json").read_text())
"""``text`` as it is, ``repeat`` so many ``times``, or ``raw``: what stands between the quotes of the JSON sent."""

LINE, TEXT = 200, 20_000


def spelled(entry):
    """The text as JSON spells it, and the text itself; None if it is no text at all (half a surrogate pair)."""
    if "raw" in entry:
        return f'"{entry["raw"]}"', None
    text = entry.get("text", entry.get("repeat", "") * entry.get("times", 1))
    return json.dumps(text), text


def has_control(text, *, lines):
    allowed = "\n\r\t" if lines else ""
    forbidden_signs = {sign for sign in text if (sign < " " and sign not in allowed) or sign == "\x7f"}
    return bool(forbidden_signs) or (not lines and bool(set(text) & set("\u2028\u2029")))


def good_line(text):
    return text is not None and len(text.strip()) <= LINE and not has_control(text.strip(), lines=False)


def good_text(text):
    return text is not None and len(text) <= TEXT and not has_control(text, lines=True)


@pytest.fixture
def settings(settings):
    """So many wrong codes that none has to wait."""
    return settings.model_copy(update={"login": Login(failures_before_delay=10 * len(INPUTS))})


@pytest.fixture
def send(api, hub):
    headers = {"Authorization": f"token {hub.sign_in('founder')}", "Content-Type": "application/json"}

    def send(method, path, body):
        return api.request(method, path, content=body.encode(), headers=headers)

    return send


def body(template, spelling):
    return json.dumps(template).replace('"HERE"', spelling)


def test_there_are_two_hundred_hostile_inputs():
    assert len(INPUTS) == 200
    assert max(entry.get("times", 0) for entry in INPUTS) == 1_000_000


@pytest.mark.parametrize(
    ("field", "place", "good"),
    [
        ("title", lambda form: form | {"title": "HERE"}, good_line),
        ("use_case", lambda form: form | {"use_case": "HERE"}, good_text),
        ("declaration.issues", lambda form: form | {"declaration": {"issues": "HERE"}}, good_text),
    ],
    ids=["line", "text", "nested"],
)
def test_a_draft_stores_valid_text_and_refuses_the_rest_by_field(send, field, place, good):
    draft = send("POST", "/applications", json.dumps(FORM)).json()
    number, revision, saved_form = draft["summary"]["id"], draft["revision"], draft["form"]
    for entry in INPUTS:
        spelling, text = spelled(entry)
        template = {"revision": revision, "form": place(FORM)}
        answer = send("PUT", f"/applications/{number}", body(template, spelling))
        if good(text):
            assert answer.status_code == 200, (entry, answer.text[:200])
            revision, saved_form = answer.json()["revision"], answer.json()["form"]
            value = saved_form
            for part in field.split("."):
                value = value[part]
            assert value == (text.strip() if good is good_line else text)
        else:
            assert answer.status_code == 422, (entry, answer.text[:200])
            assert answer.json()["error"]["field"] == f"form.{field}"
            assert len(answer.text) < 1000, "what was sent is not sent back"
        assert send("GET", f"/applications/{number}", "").json()["form"] == saved_form, "nothing is lost"


def test_profile_organisation_and_messages_accept_valid_text_only(send, person):
    founder = person("founder")
    settle(founder)
    number = submitted(founder).summary.id
    places = [
        ("PUT", "/profile", {"full_name": "HERE"}, good_line),
        ("POST", "/organisation", ORGANISATION | {"name": "HERE"}, good_line),
        ("POST", f"/applications/{number}/messages", {"text": "HERE"}, good_text),
    ]
    for entry in INPUTS:
        spelling, text = spelled(entry)
        for method, path, template, good in places:
            answer = send(method, path, body(template, spelling))
            empty = path != "/profile" and text is not None and not (text.strip() if good is good_line else text)
            expected_status = 200 if good(text) and not empty else 422
            assert answer.status_code == expected_status, (path, entry, answer.text[:200])


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("POST", "/organisation/join", {"code": "HERE"}),
        ("POST", "/invitations/offer", {"token": "HERE"}),
        ("POST", "/advice", {"goal": "HERE", "kind": "company", "country": "AT", "months": 1}),
        ("POST", "/applications", FORM | {"call": "HERE"}),
        ("POST", "/applications", FORM | {"ai_act": {"gpai": "HERE"}}),
        ("POST", "/applications", FORM | {"resources": {"gpu_hours": "HERE"}}),
    ],
    ids=["code", "token", "enumeration", "id", "boolean", "number"],
)
def test_fields_without_free_text_never_cause_a_server_error(send, method, path, template):
    for entry in INPUTS:
        answer = send(method, path, body(template, spelled(entry)[0]))
        assert answer.status_code in (200, 404, 422, 409), (entry, answer.text[:200])
