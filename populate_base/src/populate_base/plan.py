"""Which files and pages bring missing klines into the store, cheapest first.

Pure: what is missing, what the archive has and the exchange's time come in as arguments.
That a file exists is never assumed from a date: where the archive was listed the listing
decides, else the file is asked for, and what turned out not to be there or to hold too
little is planned anew from the sources that are left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from market.gaps import Range, merge_ranges, subtract_ranges
from market.interval import Interval
from populate_base.archive_file import ArchiveFile, Period

#: Klines in one answer of Binance's REST API, and what it weighs. Source: rest-api.md.
PAGE_KLINES = 1000
PAGE_WEIGHT = 2


class Costs(NamedTuple):
    """What fetching and loading cost, in milliseconds of a backfill.

    Attributes:
        request_ms: a round trip to a host that may be far.
        weight_ms: a unit of request weight: half of Binance's 6,000 a minute is spent.
        files_at_once: requests for files that wait at the same time; pages wait for each other.
        bytes_a_ms: what a line of 40 Mbit/s carries.
        file_kline_bytes: zipped; BTCUSDT's monthly 1m files have 47 to 53 in busy months.
        page_kline_bytes: as in a recorded page of 1,000 klines.
        file_kline_ms, page_kline_ms: checking and storing one kline.
        unwanted_kline_ms: the same for one that is stored already, and has to be compared.
    """

    request_ms: float = 100.0
    weight_ms: float = 20.0
    files_at_once: int = 2
    bytes_a_ms: float = 5_000.0
    file_kline_bytes: int = 50
    page_kline_bytes: int = 175
    file_kline_ms: float = 0.01
    page_kline_ms: float = 0.025
    unwanted_kline_ms: float = 0.03

    def of_file(self, klines: int, wanted: int, size: int | None) -> float:
        """Return what a file costs, with its checksum; `size` is its bytes, where known."""
        transfer_ms = (size or klines * self.file_kline_bytes) / self.bytes_a_ms
        stored_ms = wanted * self.file_kline_ms + (klines - wanted) * self.unwanted_kline_ms
        return 2 * self.request_ms / self.files_at_once + transfer_ms + stored_ms

    def of_page(self) -> float:
        """Return what a page of REST costs, apart from the klines in it."""
        return self.request_ms + PAGE_WEIGHT * self.weight_ms

    def of_paged(self, klines: int) -> float:
        """Return what klines on pages cost, apart from the pages."""
        return klines * (self.page_kline_bytes / self.bytes_a_ms + self.page_kline_ms)


COSTS = Costs()


class Holdings(NamedTuple):
    """What is known of the archive's files of a series.

    Attributes:
        listed: bytes of each file that exists, for the periods that were listed.
        tried: files that were asked for already.
        is_away: the archive does not answer.
    """

    listed: Mapping[Period, Mapping[ArchiveFile, int]] = {}
    tried: Collection[ArchiveFile] = ()
    is_away: bool = False

    def offers(self, file: ArchiveFile, now_ms: int) -> bool:
        """Tell whether it is worth asking for a file."""
        if self.is_away or file in self.tried or not file.period.offers(file.interval):
            return False
        listed = self.listed.get(file.period)
        # A file is only made when its range is over.
        return file.span.end_ms <= now_ms if listed is None else file in listed

    def size_of(self, file: ArchiveFile) -> int | None:
        """Return a file's bytes, `None` where that is not known."""
        return self.listed.get(file.period, {}).get(file)


class Plan(NamedTuple):
    """Files to ask for and ranges to page through, both ascending."""

    files: list[ArchiveFile]
    pages: list[Range]


class _Way(NamedTuple):
    """A way to bring all that is missing up to a moment.

    Attributes:
        cost: in milliseconds.
        reach_ms: the pages already paid for bring klines that open before this.
        files: the newest file taken, and those before it.
    """

    cost: float
    reach_ms: int
    files: tuple[ArchiveFile, _Way] | None


def closed_range(interval: Interval, start_ms: int, end_ms: int | None, now_ms: int) -> Range:
    """Return the slots of [start_ms, end_ms) whose klines have closed at `now_ms`.

    The range begins and ends on the grid and is empty (start >= end) where none has.
    """
    end = interval.floor(now_ms)
    if end_ms is not None:
        end = min(end, interval.ceil(end_ms))
    return Range(interval.ceil(start_ms), end)


def common_ranges(ranges: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """Return the parts of `ranges` that `others` cover, ascending."""
    return subtract_ranges(ranges, subtract_ranges(ranges, others))


def plan_sources(
    symbol: str,
    interval: Interval,
    missing: Sequence[Range],
    holdings: Holdings,
    now_ms: int,
    costs: Costs = COSTS,
) -> Plan:
    """Return the cheapest files and pages that bring every missing slot, each from one source.

    Months are decided one after the other, as a file, as files of days, as pages, or as
    both; every way is followed as long as it may still be the cheapest.
    """
    slots = _with_slots(interval, merge_ranges(missing))
    planner = _Planner(symbol, interval, holdings, now_ms, costs, costs.of_page())
    ways = [_Way(0.0, 0, None)]
    for month, holes in _cut(slots, Period.MONTHLY.grid, interval):
        by_days = ways
        for day, of_day in _cut(holes, Period.DAILY.grid, interval):
            by_days = planner.extend(by_days, Period.DAILY, day, of_day)
        whole = planner.take(ways, Period.MONTHLY, month, holes)
        ways = planner.prune([*by_days, *whole])
    files = list(_unroll(min(ways)))[::-1]
    rest = subtract_ranges(slots, [file.span for file in files])
    return Plan(files, plan_pages(interval, _with_slots(interval, rest)))


def _with_slots(interval: Interval, ranges: Sequence[Range]) -> list[Range]:
    return [span for span in ranges if interval.count(*span) > 0]


class _Planner(NamedTuple):
    symbol: str
    interval: Interval
    holdings: Holdings
    now_ms: int
    costs: Costs
    page_cost: float

    def extend(
        self, ways: Sequence[_Way], period: Period, start_ms: int, holes: Sequence[Range]
    ) -> list[_Way]:
        """Return the ways that bring `holes` too, by one file or by pages."""
        paged = self.costs.of_paged(self._count(holes))
        by_pages = [self._page(way, holes, paged) for way in ways]
        return self.prune([*by_pages, *self.take(ways, period, start_ms, holes)])

    def take(
        self, ways: Sequence[_Way], period: Period, start_ms: int, holes: Sequence[Range]
    ) -> list[_Way]:
        """Return the ways with one more file, none where the archive does not offer it."""
        file = ArchiveFile(self.symbol, self.interval, period, start_ms)
        if not self.holdings.offers(file, self.now_ms):
            return []
        size = self.holdings.size_of(file)
        cost = self.costs.of_file(file.slots, self._count(holes), size)
        return [_Way(way.cost + cost, way.reach_ms, (file, way)) for way in ways]

    def _count(self, holes: Sequence[Range]) -> int:
        return sum(self.interval.count(*hole) for hole in holes)

    def _page(self, way: _Way, holes: Sequence[Range], paged: float) -> _Way:
        if holes[-1].end_ms <= way.reach_ms:
            return way._replace(cost=way.cost + paged)
        pages, reach_ms = 0, way.reach_ms
        for hole in holes:
            more, reach_ms = _count_pages(self.interval, hole, reach_ms)
            pages += more
        return _Way(way.cost + paged + pages * self.page_cost, reach_ms, way.files)

    def prune(self, ways: Sequence[_Way]) -> list[_Way]:
        """Return the ways that may still be the cheapest: a dearer one must reach further.

        Further by less than a page's price: for that, the cheaper one reaches as far.
        """
        kept: list[_Way] = []
        for way in sorted(ways, key=lambda one: (one.cost, -one.reach_ms)):
            if not kept or (
                way.reach_ms > kept[-1].reach_ms and way.cost < kept[0].cost + self.page_cost
            ):
                kept.append(way)
        return kept


def _unroll(way: _Way) -> Iterator[ArchiveFile]:
    while way.files is not None:
        file, way = way.files
        yield file


def _cut(
    holes: Sequence[Range], grid: Interval, interval: Interval
) -> Iterator[tuple[int, list[Range]]]:
    """Yield each slot of `grid` in which klines are missing, and the holes inside it."""
    start_ms: int | None = None
    inside: list[Range] = []
    for hole in holes:
        piece_ms = hole.start_ms
        while piece_ms < hole.end_ms:
            slot_ms = grid.floor(piece_ms)
            end_ms = min(grid.add(slot_ms, 1), hole.end_ms)
            if interval.count(piece_ms, end_ms) > 0:
                if start_ms not in (None, slot_ms):
                    yield start_ms, inside
                    inside = []
                start_ms = slot_ms
                inside.append(Range(piece_ms, end_ms))
            piece_ms = end_ms
    if start_ms is not None:
        yield start_ms, inside


def _count_pages(interval: Interval, hole: Range, reach_ms: int) -> tuple[int, int]:
    """Return how many pages a hole needs beyond those that reach so far, and their reach."""
    start_ms = interval.ceil(max(hole.start_ms, reach_ms))
    klines = interval.count(start_ms, hole.end_ms)
    if klines == 0:
        return 0, reach_ms
    pages = -(-klines // PAGE_KLINES)
    return pages, interval.add(start_ms, pages * PAGE_KLINES)


def plan_pages(interval: Interval, missing: Sequence[Range]) -> list[Range]:
    """Return the ranges to page through by REST; near holes share their pages."""
    runs: list[Range] = []
    reach_ms = 0
    for hole in merge_ranges(missing):
        is_near = runs and interval.ceil(hole.start_ms) < reach_ms
        _, reach_ms = _count_pages(interval, hole, reach_ms)
        if is_near:
            runs[-1] = Range(runs[-1].start_ms, hole.end_ms)
        else:
            runs.append(hole)
    return runs
