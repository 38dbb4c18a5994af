"""A small service with the shared manners, for the tests of `market.api`."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, Query
from pydantic import BaseModel

from market import errors, log
from market.api import install_manners, json_response
from market.health import Readiness
from market.serving import serve

app = FastAPI()
broken = Path(os.environ["SHOP_BROKEN"])


class Order(BaseModel):
    """The body of `POST /orders`."""

    steps: int


def _check() -> str | None:
    if broken.exists() and broken.read_text() == "raise":
        raise errors.StoreUnavailable("the store does not answer")
    return "the shelf is empty" if broken.exists() else None


@app.get("/raise/{name}")
def raise_error(name: str) -> None:
    """Raise an error by its name."""
    raised = {
        "parameter": errors.InvalidParameter("interval", "7m", "one of them", hint="Look it up."),
        "missing": errors.NotFound("symbol 'X' is not known here"),
        "conflict": errors.Conflict("it is done already"),
        "limited": errors.RateLimited("slowly", retry_after_s=41.2),
        "away": errors.StoreUnavailable("the store does not answer"),
        "data": errors.DataError("broken"),
        "unexpected": ZeroDivisionError("a detail that is nobody's business"),
    }
    raise raised[name]


@app.get("/list")
def list_things(limit: int = Query(ge=1, le=10)) -> object:
    """Answer with the limit."""
    return json_response({"limit": limit})


@app.post("/orders")
def order(body: Order) -> object:
    """Answer with the order."""
    return json_response(body.model_dump(), 201)


install_manners(app, Readiness({"shelf": _check, "door": lambda: None}))

if __name__ == "__main__":
    log.configure("shop")
    serve(app, "127.0.0.1", int(os.environ["SHOP_PORT"]))
