"""What becomes of an announcement, from what became of its documents."""

from __future__ import annotations

import orjson

from forecast_sink.bulk import Rejection, encode
from forecast_sink.documents import Document
from forecast_sink.relay import sort_letters
from forecast_sink.source import Letter
from market.store.outbox import Announcement

DOCUMENT = Document("klinecast-klines", "BTCUSDT|1h|0", {"close": 1.0})
BUSY = Rejection("queue is full", may_pass=True)
BROKEN = Rejection("strict_dynamic_mapping_exception", may_pass=False)


def letter(key: str, documents: int, refusal: str = "") -> Letter:
    return Letter(Announcement("klines", key, 1, 7), [DOCUMENT] * documents, refusal)


def test_letter_is_delivered_when_all_its_documents_are() -> None:
    letters = [letter("a", 2), letter("b", 1)]

    result = sort_letters(letters, [None, None, None])

    assert result.delivered == [one.announcement for one in letters]
    assert (result.dead, result.reason) == ([], "")


def test_letter_waits_while_one_of_its_documents_may_pass() -> None:
    result = sort_letters([letter("a", 2), letter("b", 2)], [None, None, BROKEN, BUSY])

    assert [announcement.key for announcement in result.delivered] == ["a"]
    assert result.dead == []
    assert result.reason == "queue is full"


def test_letter_dies_of_one_document_refused_for_good() -> None:
    result = sort_letters([letter("a", 3)], [None, BROKEN, None])

    assert result.delivered == []
    assert result.dead == [(Announcement("klines", "a", 1, 7), BROKEN.reason)]


def test_letter_without_documents_is_delivered_unless_refused() -> None:
    result = sort_letters([letter("a", 0), letter("b", 0, "no such forecast")], [])

    assert [announcement.key for announcement in result.delivered] == ["a"]
    assert result.dead == [(Announcement("klines", "b", 1, 7), "no such forecast")]


def test_encoding_updates_or_inserts_under_a_required_alias() -> None:
    action, body = encode(DOCUMENT).splitlines()

    target = {"_index": "klinecast-klines", "_id": "BTCUSDT|1h|0", "require_alias": True}
    assert orjson.loads(action) == {"update": {**target, "retry_on_conflict": 3}}
    assert orjson.loads(body) == {"doc": {"close": 1.0}, "doc_as_upsert": True}


def test_encoding_of_a_removal_is_one_line() -> None:
    lines = encode(DOCUMENT._replace(body=None)).splitlines()

    assert [orjson.loads(line) for line in lines] == [
        {"delete": {"_index": "klinecast-klines", "_id": "BTCUSDT|1h|0"}}
    ]
