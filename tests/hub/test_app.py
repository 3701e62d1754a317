"""The API as a whole: deny by default, one form of errors, no leaked details."""

import json
import logging
import re
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)

from hub.app import PREFIX, PUBLIC, _dependencies, _without_query, create_app, refuse_unguarded, routed_app
from hub.context import guesses_code
from hub.db.engine import make_engine
from hub.errors import SettingsError
from hub.settings import Api

SUMMARY = re.compile(
    r"(Accept|Add|Approve|Cancel|Change|Check|Classify|Create|Declare|Delete|Download|Estimate|Grant|Harvest|Invite|Join|"
    r"Leave|List|Open|Publish|Rank|Read|Remove|Replace|Request|Save|Search|Send|Show|Start|Store|Submit|Suggest|Withdraw)"
    r"\b.* .*[^\s.?]"
)
"""A verb that says what the operation does, and to what."""


def requests(app):
    """One request a route and method, with something in place of every parameter."""
    for route in iter_route_contexts(app.routes):
        path = route.path_format
        for parameter in getattr(route, "param_convertors", {}):
            path = path.replace(f"{{{parameter}}}", "founder")
        yield from ((route.path, method, path) for method in route.methods)


def test_every_route_but_health_answers_401_without_a_token(api):
    request_count = 0
    for route, method, path in requests(api.app):
        if route in PUBLIC:
            continue
        answer = api.request(method, f"http://api{path}")
        assert answer.status_code == 401, (method, path)
        assert answer.json()["error"]["hint"] == "Sign in again."
        request_count += 1
    assert request_count >= 3
    of_record = "/dataspace/catalogue/{slug}"
    open_ones = ("/health", "/dataspace/catalogue", of_record, f"{of_record}/files/{{sha256}}/{{name}}")
    assert {f"{PREFIX}{path}" for path in open_ones} == PUBLIC


@pytest.mark.parametrize("register", ["get", "websocket", "mount", "add_route"])
def test_a_route_without_a_guard_stops_the_start(settings, register):
    app = create_app(settings)
    refuse_unguarded(app)

    def handler(): ...

    if register == "mount":
        app.mount("/files", handler)
    elif register == "add_route":
        app.add_route("/plain", handler)
    else:
        getattr(app, register)("/open")(handler)

    with pytest.raises(SettingsError, match="no guard"):
        refuse_unguarded(app)


def test_the_docs_pages_are_off_and_the_document_needs_a_token(api, hub):
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert api.get(f"http://api{path}").status_code == 404
    document = api.get("/openapi.json", headers={"Authorization": f"token {hub.sign_in('founder')}"}).json()
    assert {f"{PREFIX}/me", f"{PREFIX}/people/{{name}}/overview", f"{PREFIX}/health"} <= set(document["paths"])
    assert "security" in document["paths"][f"{PREFIX}/me"]["get"]


def operations():
    """Every operation of the API's document, with ``GET /path`` to name it."""
    paths = routed_app().openapi()["paths"].items()
    return [(f"{method.upper()} {path}", operation) for path, item in paths for method, operation in item.items()]


@pytest.mark.parametrize(("name", "operation"), [pytest.param(*each, id=each[0]) for each in operations()])
def test_the_document_describes_every_operation(name, operation):
    """The summary begins with a verb, such as "List projects, …"; each parameter has a description."""
    summary = operation["summary"]
    function = operation["operationId"].partition("_services_")[0]
    assert SUMMARY.fullmatch(summary), summary
    assert summary.lower().replace(" ", "_") != function
    for paragraph in filter(None, [operation.get("description")]):
        assert paragraph.rstrip().endswith("."), paragraph
    for parameter in operation.get("parameters", []):
        assert parameter.get("description"), f"{name}: {parameter['name']}"


@pytest.mark.parametrize("header", ["Bearer {}", "token {}", "Token {}"])
def test_a_token_counts_in_the_header(api, hub, header):
    assert api.get("/me", headers={"Authorization": header.format(hub.sign_in("founder"))}).status_code == 200


def test_a_token_counts_nowhere_else(api, hub):
    token = hub.sign_in("founder")
    assert api.get("/me", params={"token": token}).status_code == 401
    assert api.get("/me", headers={"Authorization": f"Basic {token}"}).status_code == 401
    assert api.get("/me", headers={"Authorization": "token "}).status_code == 401
    api.cookies.set("jupyterhub-services", token)
    assert api.get("/me").status_code == 401


def test_no_answer_repeats_a_token(api, hub, caplog):
    answers = [api.get("/me", headers={"Authorization": "token very-secret"}, params={"token": "very-secret"})]
    hub.answer = httpx2.ConnectError("no route with very-secret")
    answers.append(api.get("/me", headers={"Authorization": "token another-very-secret"}))
    assert [answer.status_code for answer in answers] == [401, 503]
    assert not any("very-secret" in answer.text for answer in answers)
    assert "very-secret" not in caplog.text


def test_errors_have_one_shape(api, hub):
    headers = {"Authorization": f"token {hub.sign_in('founder')}"}
    for answer, status in (
        (api.get("/me"), 401),
        (api.get("/people/colleague/overview", headers=headers), 403),
        (api.get("/nowhere", headers=headers), 404),
        (api.post("/me", headers=headers), 405),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["status"], set(error)) == (
            status,
            status,
            {"status", "field", "message", "hint"},
        )


def test_invalid_input_names_the_field_and_repeats_nothing(settings):
    app = create_app(settings)

    @app.get("/number/{count}")
    def number(count: int) -> int:
        return count

    with TestClient(app) as client:
        answer = client.get("/number/a-secret")
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (422, "count")
    assert "a-secret" not in answer.text


def test_a_body_that_is_too_long_is_refused(api, hub):
    headers = {"Authorization": f"token {hub.sign_in('founder')}", "Content-Type": "application/json"}
    answer = api.post("/applications", content=(b"x" * 1_000_000 for _ in range(9)), headers=headers)
    assert (answer.status_code, answer.json()["error"]["status"]) == (413, 413)


def test_what_nobody_thought_of_says_nothing_of_itself(settings):
    app = create_app(settings)

    @app.get("/boom")
    def boom() -> None:
        raise RuntimeError("inside knowledge")

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/boom")
    assert answer.status_code == 500
    assert json.loads(answer.text)["error"]["status"] == 500
    assert "inside" not in answer.text


def test_a_database_that_does_not_answer_is_503(settings, hub, caplog):
    gone = settings.model_copy(update={"api": Api(database_url="sqlite:////nonexistent/atrium.sqlite")})
    with TestClient(create_app(gone, hub=httpx2.MockTransport(hub))) as client:
        answer = client.get(f"{PREFIX}/me", headers={"Authorization": f"token {hub.sign_in('founder')}"})
    assert answer.status_code == 503
    assert "nonexistent" not in answer.text
    assert "database does not answer" in caplog.text


def fails_with(settings, error):
    """The response of a route that ends with ``error``."""
    app = create_app(settings)

    @app.get("/fail")
    def fail() -> None:
        error()

    with TestClient(app, raise_server_exceptions=False) as client:
        return client.get("/fail")


def write_to_a_full_disk() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x")


def write_to_a_full_database(settings) -> None:
    engine = make_engine(settings.api.database_url)
    try:
        with engine.begin() as connection:
            connection.execute(text("PRAGMA max_page_count = 1"))
            connection.execute(text("CREATE TABLE big (content)"))
            connection.execute(text("INSERT INTO big VALUES (zeroblob(10000000))"))
    finally:
        engine.dispose()


def test_a_full_disk_is_507(settings):
    answer = fails_with(settings, write_to_a_full_disk)
    assert (answer.status_code, answer.json()["error"]["message"]) == (507, "Storage is full.")


def test_a_full_database_is_507(settings):
    if not settings.api.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL's storage cannot be filled here")
    answer = fails_with(settings, lambda: write_to_a_full_database(settings))
    assert (answer.status_code, answer.json()["error"]["message"]) == (507, "Storage is full.")
    assert "make room" in answer.json()["error"]["hint"]


def test_another_error_of_a_file_is_500(settings):
    assert fails_with(settings, lambda: Path("/nonexistent/file").read_text()).status_code == 500


@pytest.mark.parametrize("error", [InternalError, ProgrammingError, DatabaseError, OperationalError, InterfaceError])
def test_every_error_of_a_broken_database_is_503(settings, error):
    def fail():
        raise error("SELECT 1", {}, Exception("inside knowledge"))

    answer = fails_with(settings, fail)
    assert answer.status_code == 503
    assert "inside" not in answer.text


def test_a_violated_constraint_is_a_fault_of_ours(settings):
    def fail():
        raise IntegrityError("INSERT", {}, Exception("inside knowledge"))

    assert fails_with(settings, fail).status_code == 500


def test_a_file_that_is_no_database_is_503(settings, hub, engine, tmp_path):
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"This is no database." * 1000)
    changed = settings.model_copy(update={"api": Api(database_url=f"sqlite:///{broken}")})
    with TestClient(create_app(changed, hub=httpx2.MockTransport(hub))) as client:
        answer = client.get(f"{PREFIX}/me", headers=bearer(hub.sign_in("founder")))
    assert answer.status_code == 503


def test_the_access_log_has_no_query_strings(caplog):
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        "",
        0,
        '%s - "%s %s HTTP/%s" %d',
        ("::1", "GET", "/me?token=x", "1.1", 401),
        None,
    )
    assert _without_query(record)
    assert record.getMessage() == '::1 - "GET /me HTTP/1.1" 401'


@pytest.fixture
def elsewhere(api):
    """The API as a client with an address of its own sees it."""
    client = TestClient(api.app, base_url=str(api.base_url), client=("192.0.2.7", 50000))
    client.app_state.update(api.app_state)
    return client


def bearer(token):
    return {"Authorization": f"token {token}"}


def test_guesses_at_tokens_become_slow_and_known_ones_go_on(api, elsewhere, hub):
    mine = hub.sign_in("founder")
    assert elsewhere.get("/me", headers=bearer(mine)).status_code == 200
    answers = [elsewhere.get("/me", headers=bearer(f"guess{number}")) for number in range(100)]
    assert [answer.status_code for answer in answers[:61]] == [401] * 61
    assert answers[-1].status_code == 429 and answers[-1].headers["Retry-After"] in ("1", "2", "3", "4")
    assert answers[-1].json()["error"]["hint"].startswith("Try again in ")
    assert len(hub.requested_paths) < 70
    assert elsewhere.get("/me", headers=bearer(mine)).status_code == 200
    assert api.get("/me", headers=bearer(hub.sign_in("other"))).status_code == 200


def test_an_expired_token_that_is_sent_again_and_again_delays_nobody(elsewhere, hub):
    assert {elsewhere.get("/me", headers=bearer("expired")).status_code for _ in range(200)} == {401}
    assert elsewhere.get("/me", headers=bearer(hub.sign_in("founder"))).status_code == 200


def test_a_hub_that_does_not_answer_counts_for_nobody(elsewhere, hub):
    hub.answer = httpx2.ConnectError("refused")
    assert {elsewhere.get("/me", headers=bearer(f"token{number}")).status_code for number in range(80)} == {503}
    hub.answer = None
    assert elsewhere.get("/me", headers=bearer(hub.sign_in("founder"))).status_code == 200


def numbers(schema, schemas, name, around=()):
    """Each number of a schema with its name: those in its parts too."""
    if reference := schema.get("$ref", "").rpartition("/")[2]:
        if reference not in around:
            yield from numbers(schemas[reference], schemas, name, (*around, reference))
        return
    if schema.get("type") == "integer":
        yield name, schema
    parts = [part for kind in ("anyOf", "oneOf", "allOf", "prefixItems") for part in schema.get(kind, ())]
    parts += [schema[kind] for kind in ("items", "additionalProperties") if isinstance(schema.get(kind), dict)]
    for part in parts:
        yield from numbers(part, schemas, name, around)
    for field, part in schema.get("properties", {}).items():
        yield from numbers(part, schemas, f"{name} {field}", around)


def received_numbers():
    document = routed_app().openapi()
    for name, operation in operations():
        schemas = [parameter["schema"] for parameter in operation.get("parameters", ())]
        schemas += [content["schema"] for content in operation.get("requestBody", {}).get("content", {}).values()]
        for schema in schemas:
            yield from numbers(schema, document["components"]["schemas"], name)


def test_every_number_that_a_route_receives_fits_into_the_database():
    received = list(received_numbers())
    unbounded = [name for name, schema in received if schema.get("maximum", 2**63) >= 2**63]
    assert unbounded == [] and len(received) > 30


def test_identifiers_that_no_database_holds_are_422(api, hub):
    headers = bearer(hub.sign_in("founder", groups=["admins", "reviewers"]))
    request_count = 0
    for name, operation in operations():
        method, _, path = name.partition(" ")
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and parameter["schema"].get("type") == "integer":
                answer = api.request(method, f"http://api{re.sub(r'{.*?}', str(2**63), path)}", headers=headers)
                assert answer.status_code == 422, name
                request_count += 1
    for path in ("/audit", "/mail"):
        assert api.get(path, params={"before": 2**63}, headers=headers).status_code == 422
    assert request_count > 10


def test_every_route_that_receives_a_code_limits_guesses():
    """A code or a token in a body is something to guess."""
    routes = list(iter_route_contexts(routed_app().routes))
    with_code = [
        route
        for route in routes
        if (dependant := getattr(route, "dependant", None)) is not None
        and any(
            {"code", "token"} & set(getattr(body.field_info.annotation, "model_fields", ()))
            for body in dependant.body_params
        )
    ]
    assert len(with_code) == 3
    for route in with_code:
        assert guesses_code in _dependencies(route.dependant), route.path
