"""Klines out: from the store's bytes to an answer's bytes, in every format."""
