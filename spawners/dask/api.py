"""HTTP API of the manager, on a Unix socket in a directory that only the person can enter."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from tornado import web

from hub.dask.models import ClusterChange, ClusterRequest, TrainingRequest
from hub.errors import AtriumError
from hub.validation import invalid_input
from spawners.dask import first_steps, training
from spawners.dask.manager import Manager

log = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)


class Handler(web.RequestHandler):
    """JSON requests and responses; errors have the form of Atrium's API."""

    def initialize(self, manager: Manager) -> None:
        self.manager = manager

    def read(self, model: type[T]) -> T:
        """The request's body as ``model``; raises :class:`hub.errors.InvalidInput` with the first problem."""
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
            body = {"message": error.message, "field": error.field, "hint": error.hint}
        elif isinstance(error, web.HTTPError):
            body = {"message": f"There is no such address ({status_code}).", "field": None, "hint": ""}
        else:
            body = {"message": "Something went wrong on our side.", "field": None, "hint": "Try again, or report it."}
        self.finish({"error": body})

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
        self.answer([managed.view(self.manager.context) for managed in self.manager.clusters.values()])

    async def post(self) -> None:
        managed = await self.manager.create(self.read(ClusterRequest))
        first_steps.report()
        self.set_status(201)
        self.answer(managed.view(self.manager.context))


class Cluster(Handler):
    async def get(self, name: str) -> None:
        self.answer(self.manager.get(name).view(self.manager.context))

    async def patch(self, name: str) -> None:
        managed = await self.manager.change(name, self.read(ClusterChange))
        self.answer(managed.view(self.manager.context))

    async def delete(self, name: str) -> None:
        self.answer(await self.manager.end(name))


class ClusterDetail(Handler):
    """Connection to a cluster, or the script of its workers' jobs."""

    async def get(self, name: str, detail: str) -> None:
        if detail == "connection":
            self.answer(self.manager.connection(name))
        else:
            self.answer({"script": self.manager.get(name).cluster.job_script()})


class Overview(Handler):
    """Allowed sizes and numbers of workers."""

    async def get(self) -> None:
        self.answer(await self.manager.offer())


class News(Handler):
    async def get(self) -> None:
        self.answer(self.manager.news_now())


class Estimates(Handler):
    async def post(self) -> None:
        request = self.read(ClusterRequest)
        self.answer(await self.manager.estimate(request.shape, request.size))


class Trainings(Handler):
    async def get(self) -> None:
        self.answer(await training.mine(self.manager.context))

    async def post(self) -> None:
        request = self.read(TrainingRequest)
        if self.get_query_argument("try", ""):
            self.answer(await training.expected(self.manager.context, request))
            return
        self.set_status(201)
        job = await training.submit(self.manager.context, request)
        first_steps.report()
        self.answer({"job": job})


class OneTraining(Handler):
    async def get(self, job: str) -> None:
        self.answer({"log": await training.log(self.manager.context, int(job))})

    async def delete(self, job: str) -> None:
        await training.stop(self.manager.context, int(job))
        self.answer({"job": int(job)})


def application(manager: Manager) -> web.Application:
    options = {"manager": manager}
    return web.Application(
        [
            (r"/clusters", Clusters, options),
            (r"/clusters/([a-z][a-z0-9-]{0,29})", Cluster, options),
            (r"/clusters/([a-z][a-z0-9-]{0,29})/(connection|script)", ClusterDetail, options),
            (r"/offer", Overview, options),
            (r"/news", News, options),
            (r"/estimate", Estimates, options),
            (r"/trainings", Trainings, options),
            (r"/trainings/(\d{1,12})", OneTraining, options),
        ],
        log_function=lambda _: None,
    )
