"""The words a dashboard is described in; nothing here knows Kibana's formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from forecast_sink.dashboards.filters import Filter

Operation = Literal[
    "date_histogram",
    "terms",
    "average",
    "sum",
    "max",
    "min",
    "count",
    "last_value",
    "unique_count",
    "cumulative_sum",
    "static_value",
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
        percent: shown as one.
    """

    label: str
    operation: Operation
    source: str | None = None
    color: str = ""
    decimals: int | None = None
    sort_field: str = ""
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """A bucket for each of a field's values, by the value itself."""

    field: str
    label: str
    size: int = 20


@dataclass(frozen=True, slots=True)
class Layer:
    """Columns over one data view.

    Attributes:
        x: the time of a chart's date histogram; without it the last of `terms` is its axis.
        terms: what lines are split by, or the rows of a table.
        interval: of the date histogram; `auto` follows the range.
    """

    view: DataView
    columns: tuple[Column, ...]
    x: str = ""
    terms: tuple[Terms, ...] = ()
    interval: Literal["auto", "1h", "1d"] = "auto"


@dataclass(frozen=True, slots=True)
class Level:
    """A line across a chart at a value."""

    label: str
    value: float
    color: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is: the grid is 48 wide."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines or bars, one or more layers, all of them with the same filters."""

    identity: str
    title: str
    place: Place
    kind: Literal["line", "bar"]
    layers: tuple[Layer, ...]
    filters: tuple[Filter, ...] = ()
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One number."""

    identity: str
    title: str
    place: Place
    layer: Layer
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers for each of the layer's terms; `opens` is the dashboard a click leads to."""

    identity: str
    title: str
    place: Place
    layer: Layer
    filters: tuple[Filter, ...] = ()
    opens: str = ""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One number by time (the layer's x) and by its only terms."""

    identity: str
    title: str
    place: Place
    layer: Layer
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Links:
    """A bar of links to dashboards, each an (identity, label)."""

    identity: str
    title: str
    place: Place
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Documents themselves, in columns."""

    identity: str
    title: str
    place: Place
    view: DataView
    columns: tuple[str, ...]
    sort: tuple[tuple[str, Literal["asc", "desc"]], ...]
    filters: tuple[Filter, ...] = ()


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


Lens = Chart | Figure | Table | HeatMap
Panel = Lens | Listing | Text | Drawing | Links


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
