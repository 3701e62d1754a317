"""First steps of the landing page, as the API knows them."""

import pytest

from hub.dataspace.transfers.models import TransferKind, TransferState
from hub.dataspace.transfers.tables import TransferRow
from hub.db.base import now
from hub.home.models import Step, Steps


def transfer(**values):
    moment = now()
    row = {"project": "demo", "account": "demo", "person": "founder", "record_id": 1, "title": "x", "address": "x"}
    row |= {"order": "{}", "nonce": "", "reason": "", "created": moment, "touched": moment}
    return TransferRow(**(row | values))


def test_scaling_is_ticked_once_it_is_reported(person):
    founder = person("founder")
    assert founder.overview("founder").steps == Steps()
    for _ in range(2):
        founder.take_step(Step.SCALING)
    assert founder.overview("founder").steps == Steps(scaling=True)
    assert person("colleague").overview("colleague").steps == Steps()


@pytest.mark.parametrize(
    ("kind", "state", "is_done"),
    [
        (TransferKind.BRING, TransferState.DONE, True),
        (TransferKind.BRING, TransferState.FAILED, False),
        (TransferKind.BRING, TransferState.RUNNING, False),
        (TransferKind.UPLOAD, TransferState.DONE, False),
    ],
)
def test_data_is_ticked_when_a_file_has_arrived(person, session, kind, state, is_done):
    session.add(transfer(kind=kind, state=state))
    session.commit()
    assert person("founder").overview("founder").steps.data is is_done
    assert person("colleague").overview("colleague").steps.data is False
