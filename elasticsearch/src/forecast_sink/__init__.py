"""From the store to Elasticsearch and Kibana.

MySQL's driver comes first: its C extension can't be loaded any more once pyarrow is, and the
client of Elasticsearch loads pyarrow wherever it finds it.
"""

from contextlib import suppress

with suppress(ModuleNotFoundError):
    import mysql.connector  # noqa: F401
