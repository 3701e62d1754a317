"""Tells the API that a person has started a cluster or a training, for the first steps on their start page."""

from __future__ import annotations

import logging
from threading import Thread

from hub.client import Api
from hub.errors import AtriumError
from hub.home.models import Step

log = logging.getLogger(__name__)


def report() -> None:
    """Tell it in a thread: no cluster waits for the API, and none fails with it."""
    Thread(target=_report, name="first-steps", daemon=True).start()


def _report() -> None:
    try:
        with Api.from_environment() as api:
            api.take_step(Step.SCALING)
    except AtriumError as error:
        log.info("The first step is not ticked: %s", error.message)
