"""Closed months as immutable files on disk: ready JSON rows and mapped Arrow columns.

A segment is true for a snapshot whose month bears its stamp (`market.store.kline_months`).
No segment is ever needed for a right answer. Modules: `shelf` finds and wants them, `segment`
reads one, `segment_file` is their format, `builder` makes them, `folder` keeps them.
"""

from api_historic.segments.segment import Segment
from api_historic.segments.shelf import Segments

__all__ = ["Segment", "Segments"]
