"""Installing the indices: templates, first index and alias; repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from forecast_sink.cluster import check_version, reaching
from forecast_sink.indices import (
    PLANS,
    TEMPLATE_VERSION,
    IndexPlan,
    component_templates,
    index_templates,
    meta,
)
from market.errors import Conflict

_REBUILD_HINT = "Run `forecast-sink rebuild`, which makes the index anew from the store."


def install_indices(client: Elasticsearch) -> dict[str, str]:
    """Bring templates and indices to this version; return what was done with each by its name.

    The words are `created`, `updated` and `unchanged`.

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
        read,
        lambda: client.cluster.put_component_template(name=name, **_arguments(body)),
    )


def _install_template(client: Elasticsearch, name: str, body: dict[str, Any]) -> str:
    def read() -> int | None:
        found = client.indices.get_index_template(name=name)["index_templates"]
        return _version(found[0]["index_template"].get("_meta"))

    return _put(
        f"index template {name}",
        read,
        lambda: client.indices.put_index_template(name=name, **_arguments(body)),
    )


def _put(what: str, read: Callable[[], int | None], write: Callable[[], Any]) -> str:
    try:
        version = read()
    except NotFoundError:
        write()
        return "created"
    if _is_current(what, version):
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
        create_index(client, plan, 1, write_alias=True)
        return "created"
    if _is_current(what, index_version(client, plan)):
        return "unchanged"
    mappings = {"dynamic": "strict", "_meta": meta(), "properties": plan.properties}
    try:
        client.indices.put_mapping(index=plan.alias, write_index_only=True, **_arguments(mappings))
    except BadRequestError as error:
        raise Conflict(f"{what} can't hold this version's fields", hint=_REBUILD_HINT) from error
    return "updated"


def create_index(client: Elasticsearch, plan: IndexPlan, number: int, *, write_alias: bool) -> str:
    """Make the index of that number from its template; return its name."""
    name = plan.index_name(number)
    aliases = {plan.alias: {"is_write_index": True}} if write_alias else None
    client.indices.create(index=name, aliases=aliases)
    return name


def index_version(client: Elasticsearch, plan: IndexPlan) -> int | None:
    """Return the version that made the index behind the alias, `None` for a stranger's."""
    found = client.indices.get_mapping(index=plan.alias)
    newest = found[max(found)]
    return _version(newest["mappings"].get("_meta"))


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
            if version is None or version < TEMPLATE_VERSION:
                return f"index {plan.alias} is not installed; run `forecast-sink install`"
            if version > TEMPLATE_VERSION:
                return f"index {plan.alias} is of a newer version of Klinecast; use that one"
    return None


def _is_current(what: str, version: int | None) -> bool:
    if version is None:
        raise Conflict(
            f"{what} exists and is not Klinecast's", hint="Remove it, or use another cluster."
        )
    if version > TEMPLATE_VERSION:
        raise Conflict(
            f"{what} has version {version}, this program's is {TEMPLATE_VERSION}",
            hint="Use the newer version of Klinecast that installed it.",
        )
    return version == TEMPLATE_VERSION


def _version(mark: dict[str, Any] | None) -> int | None:
    if mark is None or mark.get("managed_by") != "klinecast":
        return None
    return int(mark["version"])


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as keyword arguments: the client spells `_meta` as `meta`."""
    return {name.lstrip("_"): value for name, value in body.items()}
