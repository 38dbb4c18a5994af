"""`/api/v3`: the calls Binance's clients make, answered from the store."""
