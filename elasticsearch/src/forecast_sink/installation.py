"""Installing the indices: templates, first index and alias; repeating it changes nothing.

An index of an older version is left for the migration, which makes it anew from the store.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from forecast_sink.cluster import check_version, reaching
from forecast_sink.indices import (
    PLANS,
    IndexPlan,
    component_templates,
    index_templates,
)
from market.errors import Conflict

#: What is said of an index that is not this version's yet, or not whole.
OUTDATED = "outdated"
_HIDDEN: dict[str, Any] = {"match_none": {}}


def install_indices(client: Elasticsearch) -> dict[str, str]:
    """Bring templates and indices to this version; return what was done with each by its name.

    The words are `created`, `updated` and `unchanged`, and for an index that has to be made
    anew from the store `outdated`.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer; running it again goes on from there.
        SettingsError: it is not one this version can use, or refuses the user.
        Conflict: something of a newer version or of somebody else is in the way.
    """
    check_version(client)
    done: dict[str, str] = {}
    with reaching(client):
        for name, body in component_templates().items():
            done[f"component template {name}"] = _install_component(client, name, body)
        for name, body in index_templates().items():
            done[f"index template {name}"] = _install_template(client, name, body)
        for plan in PLANS:
            done[f"index {plan.alias}"] = _install_index(client, plan)
    return done


def _install_component(client: Elasticsearch, name: str, body: dict[str, Any]) -> str:
    def read() -> int | None:
        found = client.cluster.get_component_template(name=name)["component_templates"]
        return _version(found[0]["component_template"].get("_meta"))

    return _put(
        f"component template {name}",
        body["version"],
        read,
        lambda: client.cluster.put_component_template(name=name, **_arguments(body)),
    )


def _install_template(client: Elasticsearch, name: str, body: dict[str, Any]) -> str:
    def read() -> int | None:
        found = client.indices.get_index_template(name=name)["index_templates"]
        return _version(found[0]["index_template"].get("_meta"))

    return _put(
        f"index template {name}",
        body["version"],
        read,
        lambda: client.indices.put_index_template(name=name, **_arguments(body)),
    )


def _put(what: str, wanted: int, read: Callable[[], int | None], write: Callable[[], Any]) -> str:
    try:
        version = read()
    except NotFoundError:
        write()
        return "created"
    if _is_current(what, version, wanted):
        return "unchanged"
    write()
    return "updated"


def _install_index(client: Elasticsearch, plan: IndexPlan) -> str:
    what = f"index {plan.alias}"
    if not client.indices.exists_alias(name=plan.alias):
        if client.indices.exists(index=plan.alias):
            raise Conflict(
                f"an index is named {plan.alias}, which has to be an alias",
                hint=f"Delete that index: DELETE /{plan.alias}",
            )
        number = int(f"{datetime.now(UTC):%Y%m}") if plan.monthly else 1
        create_index(client, plan, number, write_alias=not plan.monthly)
        return "created"
    is_whole = plan.monthly or pending_index(client, plan) is None
    if _is_current(what, index_version(client, plan), plan.version) and is_whole:
        return "unchanged"
    return OUTDATED


def pending_index(client: Elasticsearch, plan: IndexPlan) -> str | None:
    """Return the index that is written to and hidden from readers, while it is being filled."""
    for name, found in client.indices.get_alias(name=plan.alias).items():
        if found["aliases"][plan.alias].get("filter") == _HIDDEN:
            return str(name)
    return None


def attach_pending(client: Elasticsearch, plan: IndexPlan, name: str, others: list[str]) -> None:
    """Let writers write to an index from now on, and readers read the others as before."""
    old = [
        {"add": {"index": other, "alias": plan.alias, "is_write_index": False}} for other in others
    ]
    hidden = {"index": name, "alias": plan.alias, "is_write_index": True, "filter": _HIDDEN}
    client.indices.update_aliases(actions=[*old, {"add": hidden}])


def swap_in(client: Elasticsearch, plan: IndexPlan, name: str) -> None:
    """Put an index in the place of all others behind the alias, which are deleted."""
    others = [other for other in client.indices.get_alias(name=plan.alias) if other != name]
    actions: list[dict[str, dict[str, object]]] = [
        {"remove_index": {"index": other}} for other in others
    ]
    actions.append({"add": {"index": name, "alias": plan.alias, "is_write_index": True}})
    client.indices.update_aliases(actions=actions)


def create_index(client: Elasticsearch, plan: IndexPlan, number: int, *, write_alias: bool) -> str:
    """Make the index of that number from its template; return its name."""
    name = plan.index_name(number)
    aliases = {plan.alias: {"is_write_index": True}} if write_alias else None
    client.indices.create(index=name, aliases=aliases)
    return name


def index_version(client: Elasticsearch, plan: IndexPlan) -> int | None:
    """Return the version that made the index behind the alias, `None` for a stranger's."""
    found = client.indices.get_mapping(index=plan.alias)
    versions = [_version(found[name]["mappings"].get("_meta")) for name in sorted(found)]
    if not plan.monthly:
        return versions[-1]
    # Each month is written to: the oldest version counts.
    return None if None in versions else min(version for version in versions if version)


def installed_problem(client: Elasticsearch) -> str | None:
    """Return why documents can't be written yet, `None` when all is in place.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer.
        SettingsError: it refuses the user.
    """
    with reaching(client):
        for plan in PLANS:
            try:
                version = index_version(client, plan)
            except NotFoundError:
                version = None
            if version is None or version < plan.version:
                return f"index {plan.alias} is not installed; run `forecast-sink install`"
            if version > plan.version:
                return f"index {plan.alias} is of a newer version of Klinecast; use that one"
    return None


def _is_current(what: str, version: int | None, wanted: int) -> bool:
    if version is None:
        raise Conflict(
            f"{what} exists and is not Klinecast's", hint="Remove it, or use another cluster."
        )
    if version > wanted:
        raise Conflict(
            f"{what} has version {version}, this program's is {wanted}",
            hint="Use the newer version of Klinecast that installed it.",
        )
    return version == wanted


def _version(mark: dict[str, Any] | None) -> int | None:
    if mark is None or mark.get("managed_by") != "klinecast":
        return None
    return int(mark["version"])


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as keyword arguments: the client spells `_meta` as `meta`."""
    return {name.lstrip("_"): value for name, value in body.items()}
