"""What the manager answers on its socket. Whoever reaches the socket is the person: its directory is theirs alone."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from tornado import web

from hub.dask.models import ClusterChange, ClusterRequest, TrainingRequest
from hub.errors import AtriumError
from hub.validation import invalid_input
from spawners.dask import training
from spawners.dask.manager import Manager

log = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)


class Handler(web.RequestHandler):
    """JSON in, JSON out; errors as the API of the Hub has them."""

    def initialize(self, manager: Manager) -> None:
        self.manager = manager

    def read(self, model: type[T]) -> T:
        """Raises :class:`hub.errors.InvalidInput` with the first problem."""
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            raise invalid_input(error, subject="Request") from None

    def answer(self, value: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(TypeAdapter(Any).dump_json(value))

    def write_error(self, status_code: int, **options: Any) -> None:
        error = options.get("exc_info", (None, None))[1]
        if isinstance(error, AtriumError):
            told = {"message": error.message, "field": error.field, "hint": error.hint}
        elif isinstance(error, web.HTTPError):
            told = {"message": f"There is no such address ({status_code}).", "field": None, "hint": ""}
        else:
            told = {"message": "Something went wrong on our side.", "field": None, "hint": "Try again, or report it."}
        self.finish({"error": told})

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, AtriumError):
            super().log_exception(kind, error, trace)

    def _handle_request_exception(self, error: BaseException) -> None:
        if isinstance(error, AtriumError) and not self._finished:
            self.send_error(error.status, exc_info=(type(error), error, error.__traceback__))
        else:
            super()._handle_request_exception(error)


class Clusters(Handler):
    async def get(self) -> None:
        self.answer([managed.told(self.manager.place) for managed in self.manager.clusters.values()])

    async def post(self) -> None:
        managed = await self.manager.create(self.read(ClusterRequest))
        self.set_status(201)
        self.answer(managed.told(self.manager.place))


class One(Handler):
    async def get(self, name: str) -> None:
        self.answer(self.manager.get(name).told(self.manager.place))

    async def patch(self, name: str) -> None:
        managed = await self.manager.change(name, self.read(ClusterChange))
        self.answer(managed.told(self.manager.place))

    async def delete(self, name: str) -> None:
        await self.manager.end(name)
        self.set_status(204)


class Of(Handler):
    """What belongs to one cluster."""

    async def get(self, name: str, what: str) -> None:
        if what == "connection":
            self.answer(self.manager.connection(name))
        else:
            self.answer({"script": self.manager.get(name).cluster.job_script()})


class Overview(Handler):
    """What is allowed, and what happened while nobody looked."""

    async def get(self) -> None:
        self.answer(await self.manager.offer())


class News(Handler):
    async def get(self) -> None:
        self.answer(self.manager.told_news())


class Estimates(Handler):
    async def post(self) -> None:
        asked = self.read(ClusterRequest)
        self.answer(await self.manager.estimate(asked.shape, asked.size))


class Trainings(Handler):
    async def get(self) -> None:
        self.answer(await training.mine(self.manager.place))

    async def post(self) -> None:
        asked = self.read(TrainingRequest)
        if self.get_query_argument("try", ""):
            self.answer(await training.expected(self.manager.place, asked))
            return
        self.set_status(201)
        self.answer({"job": await training.submit(self.manager.place, asked)})


class OneTraining(Handler):
    async def get(self, job: str) -> None:
        self.answer({"log": await training.log(self.manager.place, int(job))})

    async def delete(self, job: str) -> None:
        await training.stop(self.manager.place, int(job))
        self.set_status(204)


def application(manager: Manager) -> web.Application:
    options = {"manager": manager}
    return web.Application(
        [
            (r"/clusters", Clusters, options),
            (r"/clusters/([a-z][a-z0-9-]{0,29})", One, options),
            (r"/clusters/([a-z][a-z0-9-]{0,29})/(connection|script)", Of, options),
            (r"/offer", Overview, options),
            (r"/news", News, options),
            (r"/estimate", Estimates, options),
            (r"/trainings", Trainings, options),
            (r"/trainings/(\d{1,12})", OneTraining, options),
        ],
        log_function=lambda _: None,
    )
