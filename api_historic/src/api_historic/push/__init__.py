"""`/v1/stream`: closed klines and new forecasts as they are stored, told to whoever listens."""
