"""Users: create, get, search, update, delete, and what they authenticate with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from services.compat.accounts import Accounts
from services.compat.stytch.errors import EMAIL_NOT_FOUND, PHONE_NOT_FOUND, Told, refusal_view, refuse
from services.compat.stytch.ids import EMAIL, PHONE
from services.compat.stytch.project import BY_SECRET, Project, User, project_of
from services.compat.stytch.requests import FactorExchange, UserCreate, UserSearch, UserUpdate
from services.compat.stytch.searching import native_search
from services.compat.stytch.shapes import (
    email_id,
    emails,
    phone_id,
    phone_numbers,
    profile_of,
    user_object,
)
from services.compat.users import user_of_native_id
from shared.http.routes import Call, Route

_NO_EMAIL = {"email": None, "email_verified": False}
_NO_PHONE = {"phone": None, "phone_verified": False}


@dataclass(frozen=True, slots=True)
class Users:
    """The handlers of `/v1/users`."""

    accounts: Accounts

    def routes(self) -> list[Route]:
        one = "/v1/users/{user_id}"
        handlers = [
            ("POST", "/v1/users", self.create),
            ("POST", "/v1/users/search", self.search),
            ("GET", one, self.get),
            ("PUT", one, self.update),
            ("DELETE", one, self.delete),
            ("PUT", f"{one}/exchange_primary_factor", self.exchange_factor),
            ("DELETE", f"{one}/external_id", self.delete_external_id),
            ("DELETE", "/v1/users/emails/{email_id}", self.delete_email),
            ("DELETE", "/v1/users/phone_numbers/{phone_id}", self.delete_phone_number),
        ]
        return [
            Route(method, path, handler, BY_SECRET, refusal_view=refusal_view)
            for method, path, handler in handlers
        ]

    async def create(self, call: Call) -> web.Response:
        """Make a user."""
        project = await project_of(self.accounts, call)
        asked = await call.body(UserCreate)
        user = await project.native.issuer("POST", "/v1/users", _new_user(asked))
        return project.answer(
            user_id=user["public_id"],
            email_id=email_id(project.ids, user),
            phone_id=phone_id(project.ids, user),
            status=user_object(project.ids, user)["status"],
            user=user_object(project.ids, user),
        )

    async def get(self, call: Call) -> web.Response:
        """Answer a user, their members beside the envelope's."""
        project = await project_of(self.accounts, call)
        user = await project.user(call.request.match_info["user_id"])
        return project.answer(**user_object(project.ids, user))

    async def search(self, call: Call) -> web.Response:
        """Answer the users that match."""
        project = await project_of(self.accounts, call)
        asked = await call.body(UserSearch)
        found = await project.native.issuer("POST", "/v1/users/search", native_search(project, asked))
        return project.answer(
            results=[user_object(project.ids, user) for user in found["items"]],
            results_metadata={"total": found["total"], "next_cursor": found["next_cursor"]},
        )

    async def update(self, call: Call) -> web.Response:
        """Change a user's facts. Names and metadata are merged key by key, null removes a key of metadata."""
        project = await project_of(self.accounts, call)
        asked = await call.body(UserUpdate)
        user = await project.user(call.request.match_info["user_id"])
        return _changed(project, await _change(project, user, _update(asked, user)))

    async def delete(self, call: Call) -> web.Response:
        """Delete a user with all that is theirs."""
        project = await project_of(self.accounts, call)
        user = await project.user(call.request.match_info["user_id"])
        await project.native.issuer("DELETE", f"/v1/users/{user['id']}")
        return project.answer(user_id=user["public_id"])

    async def exchange_factor(self, call: Call) -> web.Response:
        """Give a user another address or number, not verified yet."""
        project = await project_of(self.accounts, call)
        asked = await call.body(FactorExchange)
        user = await project.user(call.request.match_info["user_id"])
        email, phone = asked.email_address, asked.phone_number
        change = {
            **({} if email is None else {"email": email, "email_verified": False}),
            **({} if phone is None else {"phone": phone, "phone_verified": False}),
        }
        return _changed(project, await _change(project, user, change))

    async def delete_external_id(self, call: Call) -> web.Response:
        """Take a user's external id away."""
        project = await project_of(self.accounts, call)
        user = await project.user(call.request.match_info["user_id"])
        changed = await _change(project, user, {"external_id": None})
        return project.answer(user_id=changed["public_id"], user=user_object(project.ids, changed))

    async def delete_email(self, call: Call) -> web.Response:
        """Take a user's e-mail address away."""
        project = await project_of(self.accounts, call)
        named = call.request.match_info["email_id"]
        user = await _holder(project, EMAIL, named, EMAIL_NOT_FOUND)
        if user["email"] is None:
            raise refuse(EMAIL_NOT_FOUND)
        changed = await _change(project, user, _NO_EMAIL)
        return project.answer(user_id=changed["public_id"], user=user_object(project.ids, changed))

    async def delete_phone_number(self, call: Call) -> web.Response:
        """Take a user's phone number away."""
        project = await project_of(self.accounts, call)
        named = call.request.match_info["phone_id"]
        user = await _holder(project, PHONE, named, PHONE_NOT_FOUND)
        if user["phone"] is None:
            raise refuse(PHONE_NOT_FOUND)
        changed = await _change(project, user, _NO_PHONE)
        return project.answer(user_id=changed["public_id"], user=user_object(project.ids, changed))


def merged(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the change's top-level members; null removes one (Stytch, Metadata)."""
    return {name: value for name, value in {**old, **change}.items() if value is not None}


def _new_user(asked: UserCreate) -> dict[str, Any]:
    kinds = {"trusted": asked.trusted_metadata, "untrusted": asked.untrusted_metadata}
    facts = {
        "email": asked.email,
        "phone": asked.phone_number,
        "external_id": asked.external_id,
        "roles": asked.roles,
        "profile": profile_of(asked.name.model_dump()) if asked.name else None,
        "metadata": {kind: merged({}, value) for kind, value in kinds.items() if value is not None} or None,
    }
    status = "pending" if asked.create_user_as_pending else "active"
    return {"status": status, **{name: value for name, value in facts.items() if value is not None}}


def _update(asked: UserUpdate, user: User) -> dict[str, Any]:
    # Read, then written whole: two updates at the same moment may lose one. The native API has no merge; Stytch promises none.
    metadata = dict(user["metadata"] or {})
    for kind, change in (("trusted", asked.trusted_metadata), ("untrusted", asked.untrusted_metadata)):
        if change is not None:
            metadata[kind] = merged(metadata.get(kind, {}), change)
    change = {
        "external_id": asked.external_id,
        "roles": asked.roles,
        "profile": None if asked.name is None else {**user["profile"], **profile_of(asked.name.model_dump())},
        "metadata": None if metadata == user["metadata"] else metadata,
    }
    return {name: value for name, value in change.items() if value is not None}


async def _change(project: Project, user: User, change: Mapping[str, Any]) -> User:
    if not change:
        return user
    changed: User = await project.native.issuer("PATCH", f"/v1/users/{user['id']}", change)
    return changed


async def _holder(project: Project, kind: str, named: str, unknown: Told) -> User:
    user_id = project.ids.read(kind, named)
    user = None if user_id is None else await user_of_native_id(project.native, user_id)
    if user is None:
        raise refuse(unknown)
    return user


def _changed(project: Project, user: User) -> web.Response:
    return project.answer(
        user_id=user["public_id"],
        emails=emails(project.ids, user),
        phone_numbers=phone_numbers(project.ids, user),
        crypto_wallets=[],
        user=user_object(project.ids, user),
    )
