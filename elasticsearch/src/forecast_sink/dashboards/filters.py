"""Filters as data: what a panel says in Kibana's language and asks of Elasticsearch alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Filter:
    """Documents whose field has one of the values; without values, any at all."""

    field: str
    values: tuple[str | int | bool, ...] = ()

    @property
    def kql(self) -> str:
        """The filter in Kibana's query language."""
        if not self.values:
            return f"{self.field}: *"
        words = [_word(value) for value in self.values]
        return f"{self.field}: {words[0] if len(words) == 1 else '(' + ' or '.join(words) + ')'}"

    @property
    def query(self) -> dict[str, Any]:
        """The filter as a clause of a query."""
        if not self.values:
            return {"exists": {"field": self.field}}
        return {"terms": {self.field: list(self.values)}}


def _word(value: str | int | bool) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value).lower()


def join_kql(filters: Sequence[Filter]) -> str:
    """Return the filters as one text, empty for none."""
    return " and ".join(one.kql for one in filters)


def join_query(filters: Sequence[Filter]) -> dict[str, Any]:
    """Return the filters as one query."""
    return {"bool": {"filter": [one.query for one in filters]}}
