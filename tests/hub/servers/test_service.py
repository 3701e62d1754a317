"""The ledger's rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from hub.errors import NotFound
from hub.servers import service
from hub.servers.models import Attempt, AttemptState, Ending, Verdict
from hub.servers.tables import ServerAttempt
from hub.slurm import naming
from hub.slurm.jobs import Job
from hub.slurm.naming import JobComment

STOPPED = Verdict(ending=Ending.STOPPED, message="It was stopped as asked.")


def begin(session: Session, server: str = "", person: str = "founder", gateway: str = "atrium") -> int:
    owner = {"person": person, "os_account": f"os-{person}"}
    return service.begin(session, gateway=gateway, server=server, request={"account": "demo"}, **owner).id


def only(session: Session):
    [attempt] = service.history(session, "founder")
    return attempt


def test_a_row_is_there_before_the_job(session: Session) -> None:
    begin(session)
    attempt = only(session)
    assert (attempt.state, attempt.job_id, attempt.request) == (AttemptState.SUBMITTING, None, {"account": "demo"})
    assert (attempt.person, attempt.os_account) == ("founder", "os-founder")


def test_each_row_has_a_nonce_of_its_own_which_the_api_does_not_show(session: Session) -> None:
    begin(session), begin(session)
    first, second = service.history(session, "founder")
    assert first.nonce != second.nonce
    assert {"nonce", "os_account"} & set(first.model_dump(mode="json")) == set()


def test_an_attempt_records_each_step_until_ready(session: Session) -> None:
    number = begin(session)
    ends = datetime(2026, 11, 24, 14, tzinfo=UTC)
    service.submitted(session, number, 7)
    service.started(session, number, node="cpu1", ends=ends)
    service.announced(session, number, 34567)
    service.ready(session, number)
    attempt = only(session)
    assert (attempt.state, attempt.job_id, attempt.node, attempt.port) == (AttemptState.READY, 7, "cpu1", 34567)
    assert attempt.ends == ends
    assert attempt.created <= attempt.submitted <= attempt.started <= attempt.ready
    service.stopping(session, number)
    service.ended(session, number, STOPPED, Job(7, "CANCELLED", "founder", exit_code="0:15"), "the log")
    attempt = only(session)
    assert (attempt.ending, attempt.slurm_state, attempt.exit_code) == (Ending.STOPPED, "CANCELLED", "0:15")
    assert attempt.log_tail == "the log"


def test_what_a_job_wrote_is_kept_as_text_that_any_database_takes(session: Session) -> None:
    number = begin(session)
    verdict = Verdict(ending=Ending.CRASHED, message="The server ended with an error: ValueError: \0")
    service.ended(session, number, verdict, log_tail="one\r\n\ttwo\0\x1b[2J")
    attempt = only(session)
    assert attempt.log_tail == "one\r\n\ttwo��[2J"
    assert attempt.message.endswith("ValueError: �")


def test_the_first_verdict_counts_and_later_calls_change_nothing(session: Session) -> None:
    number = begin(session)
    service.ended(session, number, STOPPED)
    service.ended(session, number, Verdict(ending=Ending.CRASHED, message="no"))
    service.submitted(session, number, 7)
    service.ready(session, number)
    attempt = only(session)
    assert (attempt.state, attempt.ending, attempt.job_id) == (AttemptState.ENDED, Ending.STOPPED, None)


def test_back_in_the_queue_there_is_no_node_and_no_port(session: Session) -> None:
    number = begin(session)
    service.submitted(session, number, 7)
    service.started(session, number, node="cpu1", ends=None)
    service.announced(session, number, 34567)
    service.requeued(session, number)
    attempt = only(session)
    assert (attempt.state, attempt.node, attempt.port, attempt.requeues) == (AttemptState.WAITING, "", None, 1)


def test_what_a_job_wrote_is_kept_up_to_a_length_from_its_end(session: Session) -> None:
    number = begin(session)
    service.ended(session, number, STOPPED, log_tail="x" * 100_000 + "the end")
    assert len(only(session).log_tail) == service.LONGEST_LOG
    assert only(session).log_tail.endswith("the end")


def test_open_is_what_has_not_ended_at_this_gateway(session: Session) -> None:
    waiting, ended, without_job = begin(session), begin(session), begin(session, "b")
    elsewhere = begin(session, gateway="elsewhere")
    for number, job in ((waiting, 7), (ended, 8), (elsewhere, 9)):
        service.submitted(session, number, job)
    service.ended(session, ended, STOPPED)
    assert [attempt.id for attempt in service.open_attempts(session, "atrium")] == [waiting, without_job]


def comment_of(session: Session, number: int, **changes: object) -> JobComment:
    attempt = Attempt.model_validate(session.get_one(ServerAttempt, number))
    comment = naming.server_comment("atrium", attempt.person, attempt.server, attempt.id, attempt.nonce)
    return replace(comment, **changes)  # type: ignore[arg-type]


def test_owners_of_jobs_are_found_by_the_nonce_whatever_number_the_comment_names(session: Session) -> None:
    waiting, ended, elsewhere = begin(session), begin(session), begin(session, gateway="elsewhere")
    service.ended(session, ended, STOPPED)
    comments = [comment_of(session, number) for number in (waiting, ended, elsewhere)]
    rebuilt = comment_of(session, waiting, attempt=10**17)
    others = [comment_of(session, waiting, user="colleague"), comment_of(session, waiting, server="b")]
    unknown = [comment_of(session, waiting, nonce=f"{number:08x}") for number in range(2000)]
    owners = service.job_owners(session, "atrium", [*comments, rebuilt, *others, *unknown])
    assert {comment: (owner.os_account, owner.is_open, owner.attempt) for comment, owner in owners.items()} == {
        comments[0]: ("os-founder", True, waiting),
        comments[1]: ("os-founder", False, ended),
        rebuilt: ("os-founder", True, waiting),
    }


def test_owners_of_jobs_of_earlier_versions_are_found_by_the_number(session: Session) -> None:
    number, with_nonce = begin(session), begin(session)
    session.get_one(ServerAttempt, number).nonce = ""
    session.commit()
    numbers = (number, with_nonce, 0, 2**31, 10**17)
    comments = [comment_of(session, number, attempt=attempt, nonce="") for attempt in numbers]
    assert list(service.job_owners(session, "atrium", comments)) == [comments[0]]


def test_a_row_is_the_attempts_only_with_its_nonce(session: Session) -> None:
    number = begin(session)
    attempt = Attempt.model_validate(session.get_one(ServerAttempt, number))
    state = {"gateway": "atrium", "person": "founder", "server": "", "attempt": number, "job_id": None}
    assert service.find_server(session, **state, nonce=attempt.nonce) == attempt
    assert service.find_server(session, **state, nonce="0a1b2c3d") is None
    service.submitted(session, number, 7)
    assert service.find_server(session, **{**state, "job_id": 7}, nonce="") is not None
    assert service.find_server(session, **{**state, "job_id": 8}, nonce="") is None
    assert service.find_server(session, **{**state, "person": "colleague"}, nonce="") is None


def test_history_is_ones_own_the_newest_first(session: Session) -> None:
    first, second = begin(session), begin(session, "b")
    begin(session, person="colleague")
    assert [attempt.id for attempt in service.history(session, "founder")] == [second, first]
    assert [attempt.id for attempt in service.history(session, "founder", server="")] == [first]
    assert len(service.history(session, "founder", limit=1)) == 1


def test_mail_can_be_wished_for_only_while_a_start_is_on_its_way(session: Session) -> None:
    number = begin(session)
    service.tell_when_ready(session, "founder", "", True)
    assert only(session).tell
    service.ended(session, number, STOPPED)
    with pytest.raises(NotFound):
        service.tell_when_ready(session, "founder", "", True)
