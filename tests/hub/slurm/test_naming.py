"""Names and comments of jobs: what is written is read again, and nothing else is."""

import pytest

from hub.slurm import naming


def test_each_kind_of_job_has_a_name_of_its_own():
    assert len({naming.job_name("atrium", kind) for kind in naming.Kind}) == len(naming.Kind)
    assert naming.job_name("atrium", naming.Kind.SERVER) == "atrium-notebook"


def test_an_attempt_is_known_by_its_comment():
    comment = naming.server_comment("atrium", "maria", "big", 7)
    worker = naming.worker_comment(comment, "dask-1")

    assert naming.attempt_in(comment, "atrium", "maria") == 7
    assert naming.attempt_in(naming.server_of_worker(worker), "atrium", "maria") == 7
    assert (naming.gateway_in(comment), naming.cluster_in(worker)) == ("atrium", "dask-1")
    assert naming.same_server(worker, naming.server_comment("atrium", "maria", "big", 8))
    assert not naming.same_server(worker, naming.server_comment("atrium", "maria", "", 7))


@pytest.mark.parametrize("comment", ["", "atrium:maria::", "atrium:maria::x", "atrium:jan::7", "other:maria::7", "7"])
def test_other_words_are_no_attempt(comment):
    assert naming.attempt_in(comment, "atrium", "maria") is None
