"""Column types that mean the same on every engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.types import TypeEngine

#: A name compared byte by byte: symbols and intervals are case-sensitive (1m is not 1M).
EXACT_COLLATION = "utf8mb4_bin"


def exact(length: int) -> TypeEngine[Any]:
    """Return a case-sensitive short text."""
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation=EXACT_COLLATION), "mysql", "mariadb"
    )


def number(digits: int, scale: int) -> TypeEngine[Any]:
    """Return an exact decimal: DECIMAL on MySQL, the written text on SQLite."""
    return String(40).with_variant(mysql.DECIMAL(digits, scale), "mysql", "mariadb")


def document() -> TypeEngine[Any]:
    """Return a long text, kept byte by byte (hashes depend on it)."""
    text = mysql.MEDIUMTEXT(charset="utf8mb4", collation=EXACT_COLLATION)
    return Text().with_variant(text, "mysql", "mariadb")


def row_id() -> TypeEngine[Any]:
    """Return an auto-increment key."""
    return BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
