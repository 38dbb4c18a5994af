"""The words a dashboard is described in; nothing here knows Kibana's formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Operation = Literal[
    "date_histogram", "average", "sum", "max", "min", "count", "last_value", "unique_count"
]


@dataclass(frozen=True, slots=True)
class DataView:
    """The documents of one alias; `fields` are the index' own mappings.

    Its id in Kibana is the alias.
    """

    alias: str
    name: str
    time_field: str
    fields: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """One number or one bucket of a layer.

    Attributes:
        source: the field; `None` where documents are counted.
        sort_field: for `last_value`, the time by which the last is meant.
    """

    label: str
    operation: Operation
    source: str | None = None
    color: str = ""
    decimals: int | None = None
    sort_field: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """Columns over one data view; a chart's `x` is a date histogram."""

    view: DataView
    columns: tuple[Column, ...]
    x: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is: the grid is 48 wide."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines or bars over time, one or more layers."""

    identity: str
    title: str
    place: Place
    kind: Literal["line", "bar"]
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number."""

    identity: str
    title: str
    place: Place
    layer: Layer


@dataclass(frozen=True, slots=True)
class Listing:
    """Documents themselves, in columns."""

    identity: str
    title: str
    place: Place
    view: DataView
    columns: tuple[str, ...]
    sort: tuple[tuple[str, Literal["asc", "desc"]], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Markdown."""

    identity: str
    title: str
    place: Place
    markdown: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A Vega-Lite specification, for what Lens can't draw."""

    identity: str
    title: str
    place: Place
    specification: Mapping[str, Any]


Panel = Chart | Figure | Listing | Text | Drawing


@dataclass(frozen=True, slots=True)
class Control:
    """A list of a field's values to choose from, applied to every panel."""

    field: str
    title: str
    view: DataView
    selected: tuple[str, ...] = ()
    single: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels; `start` and `end` are a range in Kibana's date arithmetic."""

    identity: str
    title: str
    description: str
    start: str
    end: str
    panels: tuple[Panel, ...]
    controls: tuple[Control, ...]
    views: tuple[DataView, ...] = field(default_factory=tuple)
