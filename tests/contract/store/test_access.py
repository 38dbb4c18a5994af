"""Tokens, users, sessions, wrong passwords and what is used, on every engine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from market.access.audit import Actor, read_audit
from market.access.gate import verify_token
from market.access.lockout import (
    FREE_OF_NAME,
    LONGEST_WAIT_MS,
    address_subject,
    clear_failures,
    count_attempt,
    forget_old_failures,
    strike_attempt,
    user_subject,
)
from market.access.passwords import hash_password
from market.access.principal import Account, Limits
from market.access.sessions import SessionLimits, create_session, prolong_session, read_session
from market.access.token_store import (
    MOST_OF_A_USER,
    TokenWish,
    adopt_token,
    create_token,
    read_token,
    read_tokens,
    revoke_token,
    rotate_token,
)
from market.access.tokens import Token, draw_token
from market.access.usage import read_usage, take_requests, write_requests
from market.access.users import (
    change_password,
    change_role,
    create_user,
    parse_user_name,
    read_user,
    remove_user,
)
from market.errors import Conflict, InvalidParameter, NotFound, TooManyRequests, Unauthorized
from market.store import Store
from market.store import access_tables as t
from market.store.tables import metadata
from support.stores import count

ME = Actor("test", "here")
WISH = TokenWish("test", frozenset({"read", "train"}))
HASH = hash_password("correct horse battery")
SESSION = SessionLimits(idle_s=60, life_s=600)


def new_token(store: Store, wish: TokenWish = WISH, user: str | None = None) -> Token:
    def work(connection: Connection) -> Token:
        owner = None if user is None else read_user(connection, user).id
        return create_token(connection, wish, ME, user_id=owner)

    return store.transact(work)


def new_user(store: Store, name: str = "anna") -> None:
    store.transact(lambda each: create_user(each, name, "operator", HASH, Limits(), ME))


def refusal_of(store: Store, token: Token) -> str:
    with store.read() as connection, pytest.raises(Unauthorized) as refused:
        verify_token(connection, token)
    return refused.value.detail


def shift(store: Store, table: str, column: str, by_ms: int) -> None:
    """Move the times of a column, as if so much time had passed."""
    it = metadata.tables[table]
    with store.begin() as connection:
        connection.execute(it.update().values({column: it.c[column] + by_ms}))


def test_token_is_stored_as_a_digest_alone(store: Store) -> None:
    token = new_token(store)

    with store.read() as connection:
        row = connection.execute(t.api_tokens.select()).one()
        principal, now_ms = verify_token(connection, token)

    assert token.secret not in str(row)
    assert principal.scopes == {"read", "train"}
    assert abs(now_ms - time.time() * 1_000) < 60_000


def test_wrong_secret_and_unknown_id_are_answered_the_same(store: Store) -> None:
    token = new_token(store)

    wrong = refusal_of(store, draw_token(token.public_id))
    unknown = refusal_of(store, draw_token())

    assert wrong == unknown == "the token is not valid"


def test_expired_token_is_told_to_who_knows_its_secret_alone(store: Store) -> None:
    token = new_token(store, TokenWish("test", frozenset({"read"}), days=1))
    shift(store, "api_tokens", "expires_ms", -86_400_001)

    assert refusal_of(store, token) == "the token has expired"
    assert refusal_of(store, draw_token(token.public_id)) == "the token is not valid"


def test_revoked_token_is_revoked_for_good(store: Store) -> None:
    token = new_token(store)

    for _ in range(2):
        store.transact(lambda each: revoke_token(each, token.public_id, ME))

    assert refusal_of(store, token) == "the token was revoked"
    with pytest.raises(Conflict):
        store.transact(lambda each: rotate_token(each, token.public_id, ME))
    with store.read() as connection:
        assert [entry.action for entry in read_audit(connection, 10)] == [
            "token.revoke", "token.create",
        ]  # fmt: skip


def test_rotated_token_is_taken_for_its_grace(store: Store) -> None:
    token = new_token(store)

    second = store.transact(lambda each: rotate_token(each, token.public_id, ME, grace_s=60))

    with store.read() as connection:
        assert verify_token(connection, token)[0].expires_ms is not None
        assert verify_token(connection, second)[0].expires_ms is None
    shift(store, "api_tokens", "previous_until_ms", -60_001)
    assert refusal_of(store, token) == "the token was rotated"


def test_rotation_without_grace_ends_the_old_secret_at_once(store: Store) -> None:
    token = new_token(store)

    store.transact(lambda each: rotate_token(each, token.public_id, ME))

    assert refusal_of(store, token) == "the token is not valid"


def test_adopted_token_is_adopted_once(store: Store) -> None:
    token = draw_token()

    first = store.transact(lambda each: adopt_token(each, token, WISH, ME))
    second = store.transact(lambda each: adopt_token(each, token, WISH, ME))

    assert (first, second) == (True, False)
    with pytest.raises(Conflict, match="another secret"):
        store.transact(lambda each: adopt_token(each, draw_token(token.public_id), WISH, ME))


def test_token_never_does_more_than_its_owners_role(store: Store) -> None:
    new_user(store)
    token = new_token(store, user="anna")

    store.transact(lambda each: change_role(each, "anna", "viewer", ME))

    with store.read() as connection:
        assert verify_token(connection, token)[0].scopes == {"read"}


def test_users_tokens_are_bounded(store: Store) -> None:
    new_user(store)
    for _ in range(MOST_OF_A_USER):
        new_token(store, user="anna")

    with pytest.raises(Conflict, match="may have"):
        new_token(store, user="anna")


def test_tokens_are_paged_by_id(store: Store) -> None:
    made = sorted(new_token(store).public_id for _ in range(5))

    with store.read() as connection:
        first = read_tokens(connection, 3)
        rest = read_tokens(connection, 3, after=first[-1].public_id)

    assert [row.public_id for row in first + rest] == made


@pytest.mark.parametrize("label", ["", " ", "x" * 81, "a\nb", "a\x00b", "a\x1b[31m"])
def test_label_is_printable(label: str) -> None:
    with pytest.raises(InvalidParameter, match="label"):
        TokenWish(label, frozenset({"read"}))


@pytest.mark.parametrize("text", ["'; DROP TABLE users; --", "x' OR '1'='1", "%", "é", "a b"])
def test_injections_find_nothing(store: Store, text: str) -> None:
    new_user(store)

    with store.read() as connection:
        with pytest.raises(NotFound):
            read_token(connection, text)
        assert read_tokens(connection, 9, user=text) == []
    with pytest.raises(InvalidParameter):
        parse_user_name(text)
    assert count(store, "users") == 1


def test_two_users_of_one_name_are_refused(store: Store) -> None:
    new_user(store)

    with pytest.raises(Conflict):
        new_user(store, "ANNA")


def test_removed_users_sessions_and_tokens_end(store: Store) -> None:
    new_user(store)
    token = new_token(store, user="anna")
    with store.begin() as connection:
        session = create_session(connection, read_user(connection, "anna").id, "::1", SESSION)

    store.transact(lambda each: remove_user(each, "anna", ME))

    assert refusal_of(store, token) == "the token was revoked"
    with store.read() as connection:
        assert read_session(connection, session.digest, SESSION) is None


def test_new_password_ends_sessions_and_a_lock_out(store: Store) -> None:
    new_user(store)
    with store.begin() as connection:
        session = create_session(connection, read_user(connection, "anna").id, "::1", SESSION)
    fail(store, FREE_OF_NAME + 1)

    store.transact(lambda each: change_password(each, "anna", HASH, ME))

    with store.read() as connection:
        assert read_session(connection, session.digest, SESSION) is None
    store.transact(lambda each: count_attempt(each, user_subject("anna")))


@pytest.mark.parametrize(("column", "by_ms"), [("seen_ms", -60_001), ("expires_ms", -600_001)])
def test_session_ends_when_idle_and_in_any_case(store: Store, column: str, by_ms: int) -> None:
    new_user(store)
    with store.begin() as connection:
        session = create_session(connection, read_user(connection, "anna").id, "::1", SESSION)

    with store.read() as connection:
        found = read_session(connection, session.digest, SESSION)
    shift(store, "sessions", column, by_ms)

    assert found is not None
    assert found.user == "anna"
    with store.read() as connection:
        assert read_session(connection, session.digest, SESSION) is None
    with store.begin() as connection:  # the next one clears up
        create_session(connection, read_user(connection, "anna").id, "::1", SESSION)
    assert count(store, "sessions") == 1


def test_seen_session_lasts(store: Store) -> None:
    new_user(store)
    with store.begin() as connection:
        session = create_session(connection, read_user(connection, "anna").id, "::1", SESSION)
    shift(store, "sessions", "seen_ms", -50_000)

    store.transact(lambda each: prolong_session(each, session.digest))
    shift(store, "sessions", "seen_ms", -50_000)

    with store.read() as connection:
        assert read_session(connection, session.digest, SESSION) is not None


def fail(store: Store, times: int, name: str = "anna") -> None:
    for _ in range(times):
        store.transact(lambda each: count_attempt(each, user_subject(name)))


def test_wrong_passwords_are_waited_for_longer_and_longer(store: Store) -> None:
    fail(store, FREE_OF_NAME)
    waits = []
    for _ in range(12):
        fail(store, 1)
        with pytest.raises(TooManyRequests) as refused:
            fail(store, 1)
        waits.append(round(refused.value.retry_after_s))
        shift(store, "sign_in_failures", "blocked_until_ms", -LONGEST_WAIT_MS)

    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT_MS / 1_000


def test_guesses_at_once_count_like_guesses_one_by_one(store: Store) -> None:
    def guess(_: int) -> bool:
        try:
            fail(store, 1)
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(guess, range(40)))

    assert taken <= FREE_OF_NAME + 3  # one more for each second that the guessing takes


def test_right_password_does_not_forgive_its_address(store: Store) -> None:
    subject = address_subject("192.0.2.1")
    for _ in range(subject.free + 1):
        store.transact(lambda each: count_attempt(each, subject))
    shift(store, "sign_in_failures", "blocked_until_ms", -LONGEST_WAIT_MS)

    store.transact(lambda each: count_attempt(each, subject))
    store.transact(lambda each: strike_attempt(each, subject))
    store.transact(lambda each: count_attempt(each, subject))

    with pytest.raises(TooManyRequests):
        store.transact(lambda each: count_attempt(each, subject))


def test_failures_are_forgotten_after_a_day(store: Store) -> None:
    fail(store, FREE_OF_NAME + 1)
    shift(store, "sign_in_failures", "blocked_until_ms", -2 * 86_400_000)
    shift(store, "sign_in_failures", "changed_ms", -86_400_001)

    fail(store, FREE_OF_NAME)
    shift(store, "sign_in_failures", "changed_ms", -86_400_001)
    store.transact(forget_old_failures)

    assert count(store, "sign_in_failures") == 0


def test_cleared_failures_are_gone(store: Store) -> None:
    fail(store, FREE_OF_NAME + 1)

    store.transact(lambda each: clear_failures(each, user_subject("anna")))

    fail(store, FREE_OF_NAME)


def test_addresses_of_one_ipv6_network_count_together() -> None:
    assert address_subject("2001:db8::1") == address_subject("2001:db8::ffff")
    assert address_subject("2001:db8::1") != address_subject("2001:db8:1::1")
    assert address_subject("192.0.2.1") != address_subject("192.0.2.2")


def test_quota_is_never_passed(store: Store) -> None:
    account = Account("token:a", Limits(monthly_quota=50))

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: take_requests(store, account, 3)[0], range(40)))

    assert taken == 16
    refused, usage = take_requests(store, account, 3)
    assert not refused
    assert usage.used == 48
    assert take_requests(store, account, 2)[0]


def test_quota_begins_anew_with_the_month(store: Store) -> None:
    account = Account("token:a", Limits(monthly_quota=2))
    take_requests(store, account, 2)
    shift(store, "api_usage", "month", -1)

    taken, usage = take_requests(store, account, 1)

    assert taken
    assert usage.used == 1


def test_rate_holds_a_second_of_requests_and_fills_up(store: Store) -> None:
    account = Account("token:a", Limits(rate_per_s=20))

    began = time.monotonic()
    taken = sum(take_requests(store, account, 1)[0] for _ in range(60))
    seconds = time.monotonic() - began
    shift(store, "api_usage", "free_at_us", -1_000_000)
    again, usage = take_requests(store, account, 10)

    assert 20 <= taken <= 20 * (seconds + 1) + 1
    assert again
    assert usage.owed_us > 0


def test_what_is_only_counted_adds_up_and_can_be_given_back(store: Store) -> None:
    write_requests(store, {"token:a": 5, "user:1": 2})
    write_requests(store, {"token:a": -2})
    write_requests(store, {"user:1": -7})

    with store.read() as connection:
        first, second = read_usage(connection, "token:a"), read_usage(connection, "user:1")

    assert first is not None
    assert second is not None
    assert (first.used, second.used) == (3, 0)
