"""Routes that read their query by one model, and nothing else.

FastAPI's own way looks at each parameter's type again for every request, which takes longer
than a page of closed klines. Described in `/openapi.json` the routes are as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from api_historic.native.parameters import Query, only


class ThinRoute(APIRoute):
    """A route of `endpoint(request, query)`, run in a thread; `query` is a `Query` model."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler."""
        endpoint, model = self.endpoint, self._query_model()
        check = only(model)

        async def handle(request: Request) -> Response:
            await check(request)
            try:
                query = model.model_validate(dict(request.query_params))
            except ValidationError as error:
                errors = error.errors(include_url=False, include_context=False)
                raise RequestValidationError(
                    [{**one, "loc": ("query", *one["loc"])} for one in errors]
                ) from None
            response: Response = await run_in_threadpool(endpoint, request, query)
            return response

        return handle

    def _query_model(self) -> type[Query]:
        models = [field.field_info.annotation for field in self.dependant.query_params]
        model = models[0] if len(models) == 1 else None
        if not isinstance(model, type) or not issubclass(model, Query):
            raise TypeError(f"{self.path} takes no single query model: {models}")
        return model
