"""Names and comments of jobs: round trips, and rejection of other forms."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.slurm import naming
from hub.slurm.naming import JobComment, Kind
from hub.slurm.quoting import word

GATEWAYS = st.from_regex(re.compile(r"[a-z][a-z0-9-]{0,19}\Z"), fullmatch=True)
NAMES = st.text(max_size=32)
"""JupyterHub itself allows any text as the name of a user or a server."""
NUMBERS = st.integers(0, 10**18 - 1)
NONCES = st.from_regex(re.compile(r"[0-9a-f]{8}\Z"), fullmatch=True)


def test_each_kind_of_job_has_a_name_of_its_own():
    assert len({naming.job_name("atrium", kind) for kind in Kind}) == len(Kind)
    assert naming.job_name("atrium", Kind.SERVER) == "atrium-notebook"


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        (JobComment("atrium", Kind.SERVER, "maria", "", 7, "0a1b2c3d"), "atrium:notebook:maria::7:0a1b2c3d"),
        (JobComment("atrium", Kind.SERVER, "a:b", "ß~", 7, "0a1b2c3d"), "atrium:notebook:a=3Ab:=C3=9F=7E:7:0a1b2c3d"),
        (
            JobComment("atrium", Kind.WORKER, "maria", "big", 7, "0a1b2c3d", "dask-1"),
            "atrium:dask:maria:big:7:0a1b2c3d:dask-1",
        ),
        (
            JobComment("atrium", Kind.TRAINING, "maria", "", 7, "0a1b2c3d", "training"),
            "atrium:training:maria::7:0a1b2c3d:training",
        ),
        (JobComment("atrium", Kind.TRANSFER, "maria", "", 3, "0a1b2c3d"), "atrium:transfer:maria::3:0a1b2c3d"),
        # Forms of earlier versions.
        (JobComment("atrium", Kind.SERVER, "maria", "big", 7, ""), "atrium:maria:big:7"),
        (JobComment("atrium", Kind.WORKER, "maria", "", 7, "", "dask-1"), "atrium:maria::7:dask-1"),
        (JobComment("atrium", Kind.TRAINING, "", "", 0, "", "training"), "atrium:training"),
        (JobComment("atrium", Kind.TRANSFER, "maria", "", 3, ""), "atrium:maria:transfer:3"),
    ],
)
def test_the_forms_of_comments(comment, text):
    assert str(comment) == text
    assert naming.read(text, comment.kind) == comment


@given(gateway=GATEWAYS, user=NAMES, server=NAMES, attempt=NUMBERS, nonce=NONCES, name=NAMES)
def test_every_comment_is_one_word_of_a_script_and_is_read_back(gateway, user, server, attempt, nonce, name):
    server_job = naming.server_comment(gateway, user, server, attempt, nonce)
    worker = naming.worker_comment(str(server_job), name)
    training = naming.training_comment(str(server_job), name, gateway=gateway)
    transfer = naming.transfer_comment(gateway, user, attempt, nonce)

    assert [word(text) for text in (server_job, worker, training, transfer)]
    assert naming.read(str(server_job), Kind.SERVER) == server_job
    assert naming.read(worker, Kind.WORKER) == JobComment(gateway, Kind.WORKER, user, server, attempt, nonce, name)
    assert naming.cluster_in(worker) == name
    assert naming.training_in(training) == name
    assert naming.gateway_in(str(server_job)) == gateway
    assert naming.read(transfer, Kind.TRANSFER) == JobComment(gateway, Kind.TRANSFER, user, "", attempt, nonce)


@given(text=st.text() | st.from_regex(r"[a-z0-9:=A-F]{0,40}", fullmatch=True), kind=st.sampled_from(Kind))
def test_whatever_is_read_is_what_would_be_written(text, kind):
    comment = naming.read(text, kind)
    assert comment is None or str(comment) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "atrium:maria::",
        "atrium:maria::x",
        "atrium:maria::²",
        "atrium:maria::-1",
        "atrium:maria::07",
        "atrium:maria:big:7:dask-1",
        "atrium:dask:maria::7:0a1b2c3d",
        "atrium:notebook:maria::7",
        "atrium:notebook:maria::7:",
        "atrium:notebook:maria::7:0A1B2C3D",
        "atrium:notebook:maria::7:0a1b2c3d:",
        "atrium:notebook:m=61ria::7:0a1b2c3d",
        "atrium:notebook:m%61ria::7:0a1b2c3d",
        "atrium:notebook:m=FFria::7:0a1b2c3d",
        f"atrium:notebook:maria::{'9' * 5000}:0a1b2c3d",
    ],
)
def test_other_texts_are_no_comment_of_a_server(text):
    assert naming.read(text, Kind.SERVER) is None


@pytest.mark.parametrize("server", ["atrium:notebook:maria:big:8:99999999", "atrium:maria:big:8"])
@pytest.mark.parametrize("worker", ["atrium:dask:maria:big:7:0a1b2c3d:dask-1", "atrium:maria:big:7:dask-1"])
def test_a_worker_belongs_to_its_server_in_any_attempt_and_form(worker, server):
    assert naming.same_server(worker, server)


@pytest.mark.parametrize(
    "server",
    ["", "atrium:notebook:maria::7:0a1b2c3d", "atrium:notebook:jan:big:7:0a1b2c3d", "b:notebook:maria:big:7:0a1b2c3d"],
)
def test_a_worker_belongs_to_no_other_server(server):
    assert not naming.same_server("atrium:dask:maria:big:7:0a1b2c3d:dask-1", server)


def test_a_server_of_an_earlier_version_submits_jobs_in_the_forms_of_then():
    assert naming.worker_comment("atrium:maria:big:7", "dask-1") == "atrium:maria:big:7:dask-1"
    assert naming.training_comment("atrium:maria:big:7", "mnist", gateway="atrium") == "atrium:mnist"
    assert naming.training_comment("", "mnist", gateway="atrium") == "atrium:mnist"
