"""What the exchange allows a client, as Binance states it, and as a scenario may change it."""

from __future__ import annotations

from typing import NamedTuple


class Limits(NamedTuple):
    """The limits of one address, or of one connection.

    Attributes:
        weight: request weight a minute.
        raw_requests: requests in five minutes, whatever they weigh.
        patience: refused requests until the address is banned.
        ban_s: the first ban; each further one lasts twice as long, three days at most.
        connections: stream connections in five minutes.
        inbound_per_s: messages a second a client may send over one connection.
        connection_life_s: seconds until a connection is closed.
    """

    weight: int = 6000
    raw_requests: int = 300_000
    patience: int = 10
    ban_s: int = 120
    connections: int = 300
    inbound_per_s: int = 5
    connection_life_s: int = 86_400


LONGEST_BAN_S = 3 * 86_400
