"""Logging: JSON, one event a line, configured only by entry points."""

from __future__ import annotations

import logging
import re
import sys
from typing import cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_SECRET_NAME = re.compile(r"password|secret|token|api_?key|authorization", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w+://[^:/@\s]*:)[^@/\s]+@")
#: A token of ours, wherever it stands; its id may be shown.
_OWN_TOKEN = re.compile(r"\b(klc_[a-z0-9]{10})_[A-Za-z0-9]+")
_NAMED_SECRET = re.compile(
    r"((?:password|secret|token|api_?key|signature)[\"']?\s*[=:]\s*[\"']?)[^\s&,;\"']+",
    re.IGNORECASE,
)


def configure(service: str, *, level: str = "INFO") -> None:
    """Send every log event, the libraries' too, to stderr as one JSON object a line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("alembic", "httpx", "httpcore", "elastic_transport", "uvicorn.access", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


def get_logger() -> FilteringBoundLogger:
    """Return the logger: `log.info("event_name", symbol=..., rows=...)`."""
    return cast(FilteringBoundLogger, structlog.get_logger())


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank values whose name says secret, and secrets inside texts, at any depth."""
    for name, value in event.items():
        event[name] = _masked(name, value)
    return event


def _masked(name: str, value: object) -> object:
    if _SECRET_NAME.search(name):
        return "***"
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return value


def mask_text(text: str) -> str:
    """Blank the passwords of URLs, our tokens, what follows `password=`, `token=` and the like."""
    text = _OWN_TOKEN.sub(r"\1_***", _URL_PASSWORD.sub(r"\1***@", text))
    return _NAMED_SECRET.sub(r"\1***", text)
