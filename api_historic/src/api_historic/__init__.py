"""The history API over the store, and the web page."""

# MySQL's driver loses its C extension in silence where pyarrow was imported before it.
import mysql.connector  # noqa: F401
