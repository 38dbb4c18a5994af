"""Closed months as a lake of Parquet files on a folder or an object store.

`parquet_month` is one file, `lake` the objects and their index, `publishing` what is put and
compared, from the store.
"""
