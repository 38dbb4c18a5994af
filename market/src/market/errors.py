"""Every error Klinecast raises on purpose.

    KlinecastError
    |-- RetryableError            the same call may succeed later
    |   |-- StoreUnavailable      the database does not answer
    |   |   `-- StoreConflict     ... this time: another transaction was in the way
    |   |-- ExchangeUnavailable   Binance answers with a fault, or not at all
    |   |   `-- RateLimited       Binance asks to wait (429) or has banned us (418)
    |   |-- ServiceUnavailable    another service of the installation does not answer
    |   `-- TooManyRequests       a limit of ours is reached: a quota, a rate, wrong passwords
    `-- FatalError                the same call will fail again
        |-- InvalidParameter      a value from outside is not valid
        |   `-- SettingsError     ... in the environment
        |-- Unauthorized          nobody is named, or it is not proved who it is
        |-- Forbidden             who asks may not do this
        |-- NotFound              the symbol, job or forecast named does not exist
        |-- Conflict              the state of the installation forbids it
        |-- ExchangeRefused       Binance does not serve this place or this client
        |-- SchemaMismatch        the store's schema is not the one this version needs
        `-- DataError             bytes from outside are not what they claim to be
            `-- ChecksumMismatch  ... by their checksum

A message says what failed, the value received, and what is valid or what to do.
"""

#: Characters of a value that an error repeats.
_LONGEST_ECHO = 200


def shown(value: object) -> str:
    """Return a value as an error shows it: whoever sent a megabyte knows how it goes on."""
    text = repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}..."


class KlinecastError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        hint: what the reader can do about it, one sentence or empty.
    """

    def __init__(self, detail: str, *, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint


class RetryableError(KlinecastError):
    """The same call may succeed later."""


class FatalError(KlinecastError):
    """The same call will fail again."""


class StoreUnavailable(RetryableError):
    """The database does not answer."""


class StoreConflict(StoreUnavailable):
    """Another transaction was in the way; nothing was written."""


class ExchangeUnavailable(RetryableError):
    """Binance answers with a fault, or not at all."""


class RateLimited(ExchangeUnavailable):
    """Binance asks to wait.

    Attributes:
        retry_after_s: seconds to wait before the next request.
    """

    def __init__(self, detail: str, *, retry_after_s: float, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.retry_after_s = retry_after_s


class ServiceUnavailable(RetryableError):
    """Another service of the installation does not answer."""


class TooManyRequests(RetryableError):
    """A limit of ours is reached.

    Attributes:
        retry_after_s: seconds until the same call may succeed.
    """

    def __init__(self, detail: str, *, retry_after_s: float, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.retry_after_s = retry_after_s


class InvalidParameter(FatalError):
    """A value from outside is not valid.

    Attributes:
        name, value: the parameter and what was received.
        expected: what is valid.
    """

    def __init__(self, name: str, value: object, expected: str, *, hint: str = "") -> None:
        super().__init__(f"{name} was {shown(value)}; expected {expected}", hint=hint)
        self.name = name
        self.value = value
        self.expected = expected


class SettingsError(InvalidParameter):
    """A variable of the environment is missing or not valid."""


class Unauthorized(FatalError):
    """Nobody is named, or it is not proved who it is."""


class Forbidden(FatalError):
    """Who asks may not do this."""


class NotFound(FatalError):
    """What was named does not exist."""


class Conflict(FatalError):
    """The state of the installation forbids it."""


class ExchangeRefused(FatalError):
    """Binance does not serve this place or this client."""


class SchemaMismatch(FatalError):
    """The store's schema is not the one this version needs."""


class DataError(FatalError):
    """Bytes from outside are not what they claim to be."""


class ChecksumMismatch(DataError):
    """The SHA-256 of a file is not the one published beside it."""
