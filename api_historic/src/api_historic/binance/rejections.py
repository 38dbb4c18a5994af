"""Binance's errors, in Binance's words. Source: Binance spot API, "Error codes". Pure."""

from __future__ import annotations

import orjson


class Rejection(Exception):
    """An answer Binance would give in place of data: HTTP 400 and `{"code","msg"}`."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    @property
    def body(self) -> bytes:
        """The JSON body."""
        return orjson.dumps({"code": self.code, "msg": self.message})


def illegal_characters(name: str, legal: str) -> Rejection:
    """Return the error of a value that does not match its pattern."""
    return Rejection(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def too_many_parameters(received: int) -> Rejection:
    """Return the error of parameters where none is expected."""
    return Rejection(-1101, f"Too many parameters; expected '0' and received '{received}'.")


def duplicate_values() -> Rejection:
    """Return the error of a parameter sent twice."""
    return Rejection(-1101, "Duplicate values for a parameter detected.")


def mandatory_parameter(name: str) -> Rejection:
    """Return the error of a parameter that is missing or has no usable value."""
    return Rejection(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def unread_parameters(read: int, sent: int) -> Rejection:
    """Return the error of parameters the call does not have."""
    return Rejection(
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def empty_parameter(name: str) -> Rejection:
    """Return the error of an optional parameter without a value."""
    return Rejection(-1105, f"Parameter '{name}' was empty.")


def invalid_interval() -> Rejection:
    """Return the error of an interval that is not one of the sixteen."""
    return Rejection(-1120, "Invalid interval.")


def invalid_symbol() -> Rejection:
    """Return the error of a symbol nobody knows."""
    return Rejection(-1121, "Invalid symbol.")


def invalid_symbol_status() -> Rejection:
    """Return the error of a `symbolStatus` that no symbol can have."""
    return Rejection(-1122, "Invalid symbolStatus.")


def bad_combination() -> Rejection:
    """Return the error of filters that exclude each other."""
    return Rejection(-1128, "Combination of optional parameters invalid.")


def invalid_value(name: str) -> Rejection:
    """Return the error of a value out of its range."""
    return Rejection(-1130, f"Data sent for parameter '{name}' is not valid.")


def duplicate_symbols() -> Rejection:
    """Return the error of a list that names a symbol twice."""
    return Rejection(-1151, "Symbol is present multiple times in the list.")


def invalid_time_unit() -> Rejection:
    """Return the error of an unknown `X-MBX-TIME-UNIT`."""
    return Rejection(
        -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    )


def other_status() -> Rejection:
    """Return the error of a symbol whose status is not the one asked for."""
    return Rejection(-1220, "The symbol's status does not match the requested symbolStatus.")


def no_price() -> Rejection:
    """Return the error of a known symbol of which no kline is stored."""
    return Rejection(-2016, "No trading window could be found for the symbol.")


def unsupported(status: int) -> Rejection:
    """Return the error of a call that Binance may have and this API has not."""
    return Rejection(-1020, "This operation is not supported.", status=status)


def internal_error() -> Rejection:
    """Return the error of a store that does not answer."""
    return Rejection(
        -1001, "Internal error; unable to process your request. Please try again.", status=503
    )
