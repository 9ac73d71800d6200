"""Stytch's search of users in the native search's words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.compat.stytch.errors import StytchRefusal
from services.compat.stytch.ids import EMAIL, PHONE
from services.compat.stytch.project import Project
from services.compat.stytch.requests import Operand, Query, UserSearch
from shared.public_ids import parse_id

Filter = dict[str, Any]
_NOBODY: Final = UUID(int=0)
_TEXTS: Mapping[str, str] = {
    "email_address": "email",
    "phone_number": "phone",
    "status": "status",
    "external_id": "external_id",
}
_FLAGS: Mapping[str, str] = {"email_verified": "email_verified", "phone_verified": "phone_verified"}
_LIKE: Mapping[str, str] = {"email_address_fuzzy": "email_like", "phone_number_fuzzy": "phone_like"}
_TIMES: Mapping[str, str] = {
    "created_at_greater_than": "created_after",
    "created_at_less_than": "created_before",
}
_BETWEEN: Final = "created_at_between"
_KINDS: Mapping[str, str] = {"email_id": EMAIL, "phone_id": PHONE}


def native_search(project: Project, asked: UserSearch) -> dict[str, Any]:
    """Return the native search. Raises `StytchRefusal` for filters that do not exist here."""
    query = asked.query or Query()
    filters = [one for operand in query.operands for one in _filters(project, operand)]
    operator = _operator(query)
    wanted = {
        "operator": operator,
        "filters": _one_filter_of_ids(filters, operator),
        "limit": asked.limit or 100,
        "cursor": asked.cursor,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _operator(query: Query) -> str:
    """Return what joins the filters. A `created_at_between` is two of them, of which both must hold."""
    if all(operand.filter_name != _BETWEEN for operand in query.operands) or query.operator == "AND":
        return query.operator
    if len(query.operands) > 1:
        message = f"{_BETWEEN} cannot be one of several filters joined by OR here."
        raise StytchRefusal(400, "user_search_invalid_operator", message)
    return "AND"


def _one_filter_of_ids(filters: list[Filter], operator: str) -> list[Filter]:
    """Return the filters with one of ids: several of Stytch's come to them, and the native search takes each field once."""
    named = [set(one["values"]) for one in filters if one["field"] == "id"]
    if len(named) < 2:
        return filters
    ids = set.union(*named) if operator == "OR" else set.intersection(*named)
    others = [one for one in filters if one["field"] != "id"]
    return [*others, {"field": "id", "values": sorted(ids) or [_NOBODY]}]


def _filters(project: Project, operand: Operand) -> list[Filter]:
    name, value = operand.filter_name, operand.filter_value
    if name in {"user_id", "user_ids"}:
        return [_users(project, _texts(name, value))]
    if name in _KINDS:
        ids = [project.ids.read(_KINDS[name], text) or _NOBODY for text in _texts(name, value)]
        return [{"field": "id", "values": ids}]
    if name in _TEXTS:
        return [{"field": _TEXTS[name], "values": _texts(name, value)}]
    if name == _BETWEEN:
        return _between(value)
    for names, checked in ((_FLAGS, _flag), (_LIKE, _text), (_TIMES, _time)):
        if name in names:
            return [{"field": names[name], "values": [checked(name, value)]}]
    raise StytchRefusal(
        400, "user_search_filter_name_not_recognized", f"The filter {name!r} is not known here."
    )


def _users(project: Project, named: list[str]) -> Filter:
    form = project.account.app.settings["user_id_format"]
    ids = [parse_id(form, text) for text in named]
    if all(ids):
        return {"field": "id", "values": ids}
    if any(ids):
        raise StytchRefusal(
            400,
            "user_search_cannot_mix_internal_and_external_user_ids",
            "Search by user ids or by external ids, not by both at once.",
        )
    return {"field": "external_id", "values": named}


def _between(value: Any) -> list[Filter]:
    if not isinstance(value, dict):
        raise _expected("object", _BETWEEN)
    return [
        {"field": "created_after", "values": [_time("greater_than", value.get("greater_than"))]},
        {"field": "created_before", "values": [_time("less_than", value.get("less_than"))]},
    ]


def _texts(name: str, value: Any) -> list[str]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise _expected("array_of_string", name)
    return given


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _expected("string", name)
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _expected("bool", name)
    return value


def _time(name: str, value: Any) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _expected("timestamp", name) from None
    if moment.tzinfo is None:
        raise _expected("timestamp", name)
    return moment.isoformat()


def _expected(what: str, name: str) -> StytchRefusal:
    return StytchRefusal(
        400, f"user_search_expected_{what}", f"The filter {name} expects a value of another type."
    )
