"""Writing documents in bulk requests whose size follows what the server accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from forecast_sink.cluster import address_of, first_line, reason_of
from forecast_sink.documents import Document

_MOST_BYTES = 4 * 1024 * 1024
_FEWEST_BYTES = 32 * 1024
_TIMEOUT_S = 60.0
#: The whole request is refused for what is in it: a smaller one may get through.
_TOO_MUCH = frozenset({400, 413})
_SHOWN = "errors,items.*._id,items.*.status,items.*.error.type,items.*.error.reason"


class Rejection(NamedTuple):
    """Why a document was not written, and whether that may change by itself."""

    reason: str
    may_pass: bool


#: What became of one document: `None` where Elasticsearch confirmed it.
Outcome = Rejection | None


def encode(document: Document, *, only_absent: bool = False) -> bytes:
    """Return the lines of a bulk request that write or remove the document.

    With `only_absent` one that is there already stays as it is.

    Always an update with `doc_as_upsert`: fields that another writer added stay, and
    what is there already is not written again. A missing alias must not become an
    index of that name, so the alias is required.
    """
    target: dict[str, Any] = {"_index": document.target, "_id": document.identity}
    if document.body is None:
        return orjson.dumps({"delete": target}) + b"\n"
    if document.month is None:
        target["require_alias"] = True
    if only_absent:
        return b"%b\n%b\n" % (orjson.dumps({"create": target}), orjson.dumps(document.body))
    action = {"update": {**target, "retry_on_conflict": 3}}
    return b"%b\n%b\n" % (
        orjson.dumps(action),
        orjson.dumps({"doc": document.body, "doc_as_upsert": True}),
    )


class Bulk:
    """A writer of documents; remembers how large a request the server takes."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client.options(request_timeout=_TIMEOUT_S)
        self._limit_bytes = _MOST_BYTES

    def write(self, documents: Sequence[Document], *, only_absent: bool = False) -> list[Outcome]:
        """Write documents in their order; return what became of each.

        With `only_absent` those that are there already stay as they are, which is a success.

        Never raises for what Elasticsearch answers or fails to: after a fault that concerns
        all, the documents not yet written are returned as rejections that may pass.
        """
        lines = [encode(document, only_absent=only_absent) for document in documents]
        outcomes: list[Outcome] = []
        while len(outcomes) < len(lines):
            end = self._end_of_request(lines, len(outcomes))
            outcomes += self._send(lines[len(outcomes) : end])
            if _is_fault(outcomes[-1]):
                outcomes += [outcomes[-1]] * (len(lines) - len(outcomes))
        return outcomes

    def _end_of_request(self, lines: Sequence[bytes], start: int) -> int:
        size, end = len(lines[start]), start + 1
        while end < len(lines) and size + len(lines[end]) <= self._limit_bytes:
            size += len(lines[end])
            end += 1
        return end

    def _send(self, lines: Sequence[bytes]) -> list[Outcome]:
        try:
            # The client passes lines that are bytes on as they are; its types do not know.
            operations = cast(Sequence[Mapping[str, Any]], lines)
            answer = self._client.bulk(operations=operations, filter_path=_SHOWN)
        except ApiError as error:
            return self._refused(lines, error)
        except TransportError as error:
            reason = f"Elasticsearch at {address_of(self._client)} does not answer: "
            return [_Fault(reason + first_line(error.message), True)] * len(lines)
        self._limit_bytes = min(self._limit_bytes + self._limit_bytes // 8, _MOST_BYTES)
        return [_outcome(*next(iter(item.items()))) for item in answer["items"]]

    def _refused(self, lines: Sequence[bytes], error: ApiError) -> list[Outcome]:
        status = error.meta.status
        if status in _TOO_MUCH and len(lines) == 1:
            reason = f"HTTP {status} for a document of {len(lines[0])} bytes: {reason_of(error)}"
            return [Rejection(reason, may_pass=False)]
        self._limit_bytes = max(sum(map(len, lines)) // 2, _FEWEST_BYTES)
        if status in _TOO_MUCH:
            middle = len(lines) // 2
            first = self._send(lines[:middle])
            if _is_fault(first[-1]):
                return first + [first[-1]] * (len(lines) - middle)
            return first + self._send(lines[middle:])
        reason = f"Elasticsearch at {address_of(self._client)} answers HTTP {status}: "
        return [_Fault(reason + reason_of(error), True)] * len(lines)


class _Fault(Rejection):
    """A rejection that concerns the whole server: there is no use in sending more now."""


def _is_fault(outcome: Outcome) -> bool:
    return isinstance(outcome, _Fault)


def _outcome(action: str, item: dict[str, Any]) -> Outcome:
    error = item.get("error")
    if error is None:
        return None  # also a removal of what was not there
    if action == "create" and item["status"] == 409:
        return None  # it is there already
    reason = first_line(f"{error.get('type')}: {error.get('reason')}")
    # 400 is a document that can't be read. All else (a missing alias, a read-only
    # index, a full queue, an edit at the same moment) is not the document's fault.
    return Rejection(reason, may_pass=item["status"] != 400)
