"""Users: create, read, change, deactivate, delete, search (VENDORS §4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from services.compat.accounts import Account
from services.compat.fusionauth import api_logins as logins
from services.compat.fusionauth import shapes
from services.compat.fusionauth.bodies import Search, User, Whole
from services.compat.fusionauth.errors import invalid, refusal_view, translated
from services.compat.fusionauth.people import user_of_id, user_of_login
from services.compat.fusionauth.tenants import BY_KEY, Tenants
from services.compat.fusionauth.user_fields import NAMES, native_fields, replaced_fields
from shared.errors import FieldProblem, Invalid, NotFound
from shared.http.routes import Call, Route, json_response, validate
from shared.public_ids import DEFAULT_FORMAT, parse_id

ENDPOINT: Final = "/api/user"
SEARCH: Final = "/api/user/search"


@dataclass(frozen=True, slots=True)
class UsersApi:
    """The handlers, and what they need."""

    tenants: Tenants

    def routes(self) -> list[Route]:
        one = f"{ENDPOINT}/{{user_id}}"
        return [
            Route("POST", ENDPOINT, self.create, BY_KEY, refusal_view=refusal_view),
            Route("GET", ENDPOINT, self.find, BY_KEY, refusal_view=refusal_view),
            Route("GET", SEARCH, self.by_ids, BY_KEY, refusal_view=refusal_view),
            Route("POST", SEARCH, self.search, BY_KEY, refusal_view=refusal_view),
            Route("POST", one, self.create, BY_KEY, refusal_view=refusal_view),
            Route("GET", one, self.read, BY_KEY, refusal_view=refusal_view),
            Route("PUT", one, self.replace, BY_KEY, refusal_view=refusal_view),
            Route("PATCH", one, self.change, BY_KEY, refusal_view=refusal_view),
            Route("DELETE", one, self.delete, BY_KEY, refusal_view=refusal_view),
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a user; `skipVerification` takes the caller's word for the addresses."""
        account = await self.tenants.of_key(call, ENDPOINT)
        whole = await call.body(Whole)
        user = await make_user(account, whole, call.request.match_info.get("user_id"))
        return json_response({"user": shapes.user(user, account.app)})

    async def find(self, call: Call) -> web.Response:
        """Find a user by `email`, `username` or `loginId`."""
        account = await self.tenants.of_key(call, ENDPOINT)
        query = call.request.query
        for name, kinds in (("email", ("email",)), ("username", ("username",)), ("loginId", None)):
            if name in query:
                user = await user_of_login(account.native, query[name], kinds)
                break
        else:
            raise Invalid([FieldProblem("userId", "missing", "must be given")])
        if user is None:
            raise NotFound
        return await user_response(account, user)

    async def read(self, call: Call) -> web.Response:
        """Read a user."""
        account = await self.tenants.of_key(call, ENDPOINT)
        return await user_response(account, await self._named(account, call))

    async def replace(self, call: Call) -> web.Response:
        """Put a whole user in the place of another, or reactivate one (`?reactivate=true`)."""
        account = await self.tenants.of_key(call, ENDPOINT)
        user = await self._named(account, call)
        if call.request.query.get("reactivate") == "true":
            # What else keeps the user out stays: an action is cancelled by itself.
            return await self._patched(account, user, {} if shapes.is_active(user) else {"status": "active"})
        fields = replaced_fields(_user_of(await call.body(Whole)), user)
        return await self._patched(account, user, fields)

    async def change(self, call: Call) -> web.Response:
        """Change what is given."""
        account = await self.tenants.of_key(call, ENDPOINT)
        user = await self._named(account, call)
        return await self._patched(account, user, native_fields(_user_of(await call.body(Whole)), user))

    async def delete(self, call: Call) -> web.Response:
        """Deactivate a user, or delete them for good (`?hardDelete=true`)."""
        account = await self.tenants.of_key(call, ENDPOINT)
        user = await self._named(account, call)
        path = f"/v1/users/{user['id']}"
        for_good = call.request.query.get("hardDelete") == "true"
        if call.request.can_read_body:
            for_good = for_good or (await call.body(Whole)).hard_delete
        if for_good:
            await account.native.issuer("DELETE", path)
        else:
            await account.native.issuer("PATCH", path, {"status": "inactive"})
        return web.Response(status=200)

    async def by_ids(self, call: Call) -> web.Response:
        """Read several users by `ids`."""
        account = await self.tenants.of_key(call, SEARCH)
        ids = [part for text in call.request.query.getall("ids", []) for part in text.split(",")]
        return await self._found(account, [{"field": "id", "values": _ids(ids)}], Search(ids=ids))

    async def search(self, call: Call) -> web.Response:
        """Search by `ids`, or by the `queryString` `*` or `email:…`, exact."""
        account = await self.tenants.of_key(call, SEARCH)
        asked = validate(Search, (await call.body(Whole)).search or {}, "search.")
        if asked.ids is not None:
            filters = [{"field": "id", "values": _ids(asked.ids)}]
        elif (asked.query_string or "*") == "*":
            filters = []
        else:
            field, _, value = (asked.query_string or "").partition(":")
            if field not in ("email", "username") or not value or "*" in value:
                words = "must be `*`, `email:…` or `username:…`, exact: there is no search index."
                raise invalid("search.queryString", words)
            filters = [{"field": field, "values": [value.strip('"')]}]
        return await self._found(account, filters, asked)

    async def _found(self, account: Account, filters: list[dict[str, Any]], asked: Search) -> web.Response:
        if filters and not filters[0]["values"]:
            return json_response({"total": 0, "users": []})
        body = {
            "operator": "AND",
            "filters": filters,
            "limit": max(asked.number_of_results, len(asked.ids or ())),
            "cursor": asked.next_results,
        }
        searching = account.native.issuer("POST", "/v1/users/search", shapes.without_nulls(body))
        found = await translated(searching, {"cursor": "search.nextResults", "filters": "search.queryString"})
        users = [shapes.user(user, account.app) for user in found["items"]]
        answer = {"total": found["total"], "users": users, "nextResults": found["next_cursor"]}
        return json_response(shapes.without_nulls(answer))

    async def _named(self, account: Account, call: Call) -> dict[str, Any]:
        return await user_of_id(account.native, call.request.match_info["user_id"])

    async def _patched(self, account: Account, user: dict[str, Any], fields: dict[str, Any]) -> web.Response:
        if fields:
            patching = account.native.issuer("PATCH", f"/v1/users/{user['id']}", fields)
            user = await translated(patching, NAMES)
        return await user_response(account, user)


async def make_user(account: Account, whole: Whole, user_id: str | None) -> dict[str, Any]:
    """Make the user of a request. `user_id` is the caller's choice, None: ours."""
    user = _user_of(whole)
    fields = {name: value for name, value in native_fields(user).items() if value is not None}
    own_id = user_id or (str(user.id) if user.id else None)
    if own_id is not None:
        if parse_id(DEFAULT_FORMAT, own_id.lower()) is None:
            raise invalid("userId", "must be a UUID.")
        fields["id"] = own_id.lower()
    if whole.skip_verification:
        fields |= {f"{name}_verified": True for name in ("email", "phone") if fields.get(name)}
    made: dict[str, Any] = await translated(account.native.issuer("POST", "/v1/users", fields), NAMES)
    return made


async def user_response(account: Account, user: dict[str, Any]) -> web.Response:
    """Answer a user whole: with registrations and second factors."""
    registrations = await account.native.issuer("GET", f"/v1/users/{user['id']}/registrations")
    factors = await logins.factors_of(account, user) if user["has_second_factor"] else []
    return json_response({"user": shapes.user(user, account.app, registrations["items"], factors)})


def _user_of(whole: Whole) -> User:
    if whole.user is None:
        raise Invalid([FieldProblem("user", "missing", "must be given")])
    return validate(User, whole.user, "user.")


def _ids(texts: Sequence[str]) -> list[str]:
    # What is no id is nobody's.
    return [text.lower() for text in texts if parse_id(DEFAULT_FORMAT, text.lower()) is not None]
