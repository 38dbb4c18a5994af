"""`klinecast-history tokens …` and `users …`: access by hand, on the machine of the store."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import orjson
import typer
from sqlalchemy import Connection

from api_historic.access.shapes import NewTokenShape, TokenShape, UserShape
from market import log
from market.access.audit import Actor
from market.access.passwords import LONGEST
from market.access.principal import Limits
from market.access.scopes import SCOPES, parse_role, parse_scopes
from market.access.token_store import (
    TokenWish,
    adopt_token,
    create_token,
    read_token,
    read_tokens,
    revoke_token,
    rotate_token,
)
from market.access.tokens import LONGEST as LONGEST_TOKEN
from market.access.tokens import parse_token
from market.access.usage import read_usages
from market.access.users import (
    change_password,
    change_role,
    create_user,
    new_password,
    read_user,
    read_users,
    remove_user,
)
from market.command import stderr
from market.errors import InvalidParameter
from market.settings import StoreSettings, load_settings
from market.store import Store, open_store
from market.times import format_time

tokens = typer.Typer(help="Tokens for the APIs.", no_args_is_help=True)
users = typer.Typer(help="Users who sign in on the web page.", no_args_is_help=True)

_ALL = 1_000_000
_Result = TypeVar("_Result")

Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
Scopes = Annotated[list[str], typer.Option("--scope", help=f"{', '.join(SCOPES)}; repeats.")]
Quota = Annotated[int | None, typer.Option(help="Requests in a month; default: no limit.")]
Rate = Annotated[int | None, typer.Option(help="Requests in a second; default: no limit.")]
TokenId = Annotated[str, typer.Argument(metavar="ID", help="The token's public id.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]


def add_access_commands(app: typer.Typer) -> None:
    """Add `tokens` and `users` to a command line."""
    app.add_typer(tokens, name="tokens")
    app.add_typer(users, name="users")


@tokens.command("create")
def create(  # noqa: PLR0913 - each option of a command line is an argument
    label: Annotated[str, typer.Option(help="What the token is for.")],
    scope: Scopes,
    days: Annotated[int | None, typer.Option(help="Days until it expires; default: never.")] = None,
    quota: Quota = None,
    rate: Rate = None,
    user: Annotated[str | None, typer.Option(help="Whose it is; their role bounds it.")] = None,
    json: Json = False,
) -> None:
    """Create a token and show it, this once: only a digest of it is kept."""
    wish = TokenWish(label, parse_scopes(scope), Limits(quota, rate), days)

    def work(connection: Connection) -> NewTokenShape:
        owner = None if user is None else read_user(connection, user).id
        made = create_token(connection, wish, _me(), user_id=owner)
        return NewTokenShape.of(made, read_token(connection, made.public_id))

    _show_new(_in_store(work), json=json)


@tokens.command("list")
def list_tokens(
    user: Annotated[str | None, typer.Option(help="Only those of a user.")] = None,
    json: Json = False,
) -> None:
    """List tokens, those that have ended too, and what they used this month."""

    def work(connection: Connection) -> list[TokenShape]:
        rows = read_tokens(connection, _ALL, user=user)
        usages = read_usages(connection, [f"token:{row.public_id}" for row in rows])
        return [TokenShape.of(row, usages.get(f"token:{row.public_id}")) for row in rows]

    found = _in_store(work)
    _write(json, {"tokens": [one.model_dump() for one in found]}, (_line(one) for one in found))


@tokens.command("rotate")
def rotate(
    token_id: TokenId,
    grace_s: Annotated[int, typer.Option(help="Seconds the old secret is still taken.")] = 0,
    json: Json = False,
) -> None:
    """Give a token a new secret and show it, this once; its id and limits stay."""

    def work(connection: Connection) -> NewTokenShape:
        made = rotate_token(connection, token_id, _me(), grace_s=grace_s)
        return NewTokenShape.of(made, read_token(connection, made.public_id))

    _show_new(_in_store(work), json=json)


@tokens.command("revoke")
def revoke(token_id: TokenId, json: Json = False) -> None:
    """Revoke a token for good; it works nowhere after some seconds."""
    _in_store(lambda connection: revoke_token(connection, token_id, _me()))
    _write(json, {"id": token_id, "state": "revoked"}, [f"Token {token_id} is revoked."])


@tokens.command("adopt")
def adopt(
    label: Annotated[str, typer.Option(help="What the token is for.")],
    scope: Scopes,
    json: Json = False,
) -> None:
    """Take a token that was made elsewhere, from stdin; a known one changes nothing.

    By this `sh setup.sh` lets its own services in.
    """
    token = parse_token(sys.stdin.readline(LONGEST_TOKEN + 2).strip())
    if token is None:
        raise InvalidParameter("token", "(hidden)", "one of the form klc_ID_SECRET, on stdin")
    wish = TokenWish(label, parse_scopes(scope))
    is_new = _in_store(lambda connection: adopt_token(connection, token, wish, _me()))
    said = "is taken" if is_new else "was known already"
    answer = {"id": token.public_id, "new": is_new}
    _write(json, answer, [f"Token {token.public_id} {said}."])


@users.command("create")
def create_one(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, analyst, operator or admin.")] = "viewer",
    quota: Quota = None,
    rate: Rate = None,
    json: Json = False,
) -> None:
    """Add a user; the password is asked for, or read from stdin."""
    kind = parse_role(role)
    hashed = new_password(_read_password(), name)
    user = _in_store(
        lambda connection: create_user(connection, name, kind, hashed, Limits(quota, rate), _me())
    )
    _write(json, UserShape.of(user).model_dump(), [f"User {user.name} ({user.role}) is added."])


@users.command("list")
def list_users(json: Json = False) -> None:
    """List the users and their roles."""
    found = [UserShape.of(user) for user in _in_store(lambda each: read_users(each, _ALL))]
    lines = (f"{one.user:<24} {one.role:<9} since {format_time(one.created_ms)}" for one in found)
    _write(json, {"users": [one.model_dump() for one in found]}, lines)


@users.command("password")
def password(name: Name, json: Json = False) -> None:
    """Set a user's password; their sessions end, and so does a lock-out."""
    hashed = new_password(_read_password(), name)
    _in_store(lambda connection: change_password(connection, name, hashed, _me()))
    _write(json, {"user": name}, [f"User {name} has a new password."])


@users.command("role")
def change_one(
    name: Name,
    role: Annotated[str, typer.Argument(help="viewer, analyst, operator or admin.")],
    json: Json = False,
) -> None:
    """Give a user another role; their tokens never do more than it."""
    kind = parse_role(role)
    user = _in_store(lambda connection: change_role(connection, name, kind, _me()))
    _write(json, UserShape.of(user).model_dump(), [f"User {user.name} is {user.role} now."])


@users.command("remove")
def remove(name: Name, json: Json = False) -> None:
    """Remove a user: their sessions end, their tokens are revoked."""
    _in_store(lambda connection: remove_user(connection, name, _me()))
    _write(json, {"user": name}, [f"User {name} is removed."])


def _in_store(work: Callable[[Connection], _Result]) -> _Result:
    with _opened_store() as store:
        return store.transact(work)


@contextmanager
def _opened_store() -> Iterator[Store]:
    settings = load_settings(StoreSettings)
    log.configure("history", level=settings.log_level)
    store = open_store(settings.store_url.get_secret_value(), pool_size=1)
    try:
        store.check_schema()
        yield store
    finally:
        store.close()


def _me() -> Actor:
    try:
        person = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        person = "unknown"
    return Actor(f"command line, {person}", socket.gethostname())


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline(LONGEST + 2).rstrip("\r\n")


def _show_new(made: NewTokenShape, *, json: bool) -> None:
    if not json:
        stderr.print("This is the only time that the token is shown:")
    _write(json, made.model_dump(), [made.token])


def _line(token: TokenShape) -> str:
    ends = "never" if token.expires_ms is None else format_time(token.expires_ms)
    quota = "" if token.usage.monthly_quota is None else f" of {token.usage.monthly_quota}"
    parts = [
        f"{token.id}  {token.state:<8} {','.join(token.scopes):<27}",
        f"used {token.usage.month_used}{quota}, expires {ends}",
        f"{token.label}{'' if token.user is None else f' (of {token.user})'}",
    ]
    return "  ".join(parts)


def _write(json: bool, answer: Mapping[str, Any], lines: Iterator[str] | list[str]) -> None:
    if json:
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        return
    for line in lines:
        sys.stdout.write(f"{line}\n")
