"""Users, applications, registrations, connections, apps and keys: the directory of an app, as methods."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import urlencode

from .calling import Calling, segment
from .requests import NewUser, UserFields
from .shapes import ApiKey, Application, Connection, FoundUsers, Registration, User, read


class Directory(Calling):
    """The issuer's routes for what is not a link."""

    async def create_user(self, *, idempotency_key: str | None = None, **user: Unpack[NewUser]) -> User:
        return read(User, await self._issuer("POST", "/v1/users", user, key=idempotency_key))

    async def get_user(self, user_id: str) -> User:
        return read(User, await self._issuer("GET", f"/v1/users/{segment(user_id)}"))

    async def find_users(self, **criteria: str) -> tuple[list[User], str | None]:
        """One page of users (`limit`, `cursor`), and the next page's cursor.

        Or the one user who is all that is given of `email`, `phone`, `username`, `external_id`, `imported_id`.
        """
        answer = await self._issuer("GET", f"/v1/users?{urlencode(criteria)}")
        return [read(User, item) for item in answer["items"]], answer.get("next_cursor")

    async def search_users(
        self, filters: Sequence[Mapping[str, Any]], *, operator: str = "AND", **page: Any
    ) -> FoundUsers:
        """Users who meet all filters (`{"field": "status", "values": ["pending"]}`), or any under "OR".

        `page`: `limit` (1 to 1,000), `cursor`, and `order`, "asc" or "desc" by when they were made.
        """
        body = {"filters": list(filters), "operator": operator, **page}
        answer = await self._issuer("POST", "/v1/users/search", body)
        users = [read(User, item) for item in answer["items"]]
        return FoundUsers(users, answer["next_cursor"], answer["total"])

    async def update_user(self, user_id: str, **changes: Unpack[UserFields]) -> User:
        return read(User, await self._issuer("PATCH", f"/v1/users/{segment(user_id)}", changes))

    async def delete_user(self, user_id: str) -> None:
        """Deletes a user; one that is not there counts as deleted."""
        await self._issuer("DELETE", f"/v1/users/{segment(user_id)}")

    async def create_application(
        self, name: str, *, idempotency_key: str | None = None, **application: Any
    ) -> Application:
        """Makes what users sign in to: `id`, `roles`, `refresh_tokens`, `require_verified_registration`, `active`, `metadata`."""
        body = {"name": name, **application}
        return read(Application, await self._issuer("POST", "/v1/applications", body, key=idempotency_key))

    async def get_application(self, application_id: str) -> Application:
        return read(Application, await self._issuer("GET", f"/v1/applications/{segment(application_id)}"))

    async def find_applications(self, **page: Any) -> tuple[list[Application], str | None]:
        """One page of the applications (`limit`, `cursor`), and the next page's cursor."""
        answer = await self._issuer("GET", f"/v1/applications?{urlencode(page)}")
        return [read(Application, item) for item in answer["items"]], answer["next_cursor"]

    async def update_application(self, application_id: str, **changes: Any) -> Application:
        path = f"/v1/applications/{segment(application_id)}"
        return read(Application, await self._issuer("PATCH", path, changes))

    async def delete_application(self, application_id: str) -> None:
        """Deletes an application with its registrations; its sessions end."""
        await self._issuer("DELETE", f"/v1/applications/{segment(application_id)}")

    async def register(
        self, user_id: str, application_id: str, *, idempotency_key: str | None = None, **registration: Any
    ) -> Registration:
        """Lets a user sign in to an application: `id`, `roles`, `username`, `verified`, `metadata`."""
        body = {"application_id": application_id, **registration}
        path = f"/v1/users/{segment(user_id)}/registrations"
        return read(Registration, await self._issuer("POST", path, body, key=idempotency_key))

    async def get_registrations(self, user_id: str) -> list[Registration]:
        """All registrations of a user."""
        answer = await self._issuer("GET", f"/v1/users/{segment(user_id)}/registrations")
        return [read(Registration, item) for item in answer["items"]]

    async def get_registration(self, user_id: str, application_id: str) -> Registration:
        return read(Registration, await self._issuer("GET", _registration(user_id, application_id)))

    async def update_registration(self, user_id: str, application_id: str, **changes: Any) -> Registration:
        path = _registration(user_id, application_id)
        return read(Registration, await self._issuer("PATCH", path, changes))

    async def delete_registration(self, user_id: str, application_id: str) -> None:
        """Deletes a registration; the user's sessions with the application end."""
        await self._issuer("DELETE", _registration(user_id, application_id))

    async def ensure_connection(self, domain: str, *, organization_id: str | None = None) -> Connection:
        """The connection of an e-mail domain, made if there is none."""
        wanted = {"domain": domain, "organization_id": organization_id}
        body = {name: value for name, value in wanted.items() if value is not None}
        return read(Connection, await self._issuer("POST", "/v1/connections", body))

    async def get_connection(self, connection_id: str) -> Connection:
        return read(Connection, await self._issuer("GET", f"/v1/connections/{segment(connection_id)}"))

    async def find_connections(self, **criteria: Any) -> tuple[list[Connection], str | None]:
        """One page of the connections (`domain`, `limit`, `cursor`), and the next page's cursor."""
        answer = await self._issuer("GET", f"/v1/connections?{urlencode(criteria)}")
        return [read(Connection, item) for item in answer["items"]], answer["next_cursor"]

    async def create_app(self, *, idempotency_key: str | None = None, **settings: Any) -> dict[str, Any]:
        """Creates an app; settings and answer have the names of DESIGN §6."""
        app: dict[str, Any] = await self._issuer("POST", "/v1/apps", settings, key=idempotency_key)
        return app

    async def get_app(self, app_id: str) -> dict[str, Any]:
        app: dict[str, Any] = await self._issuer("GET", f"/v1/apps/{segment(app_id)}")
        return app

    async def update_app(self, app_id: str, **changes: Any) -> dict[str, Any]:
        app: dict[str, Any] = await self._issuer("PATCH", f"/v1/apps/{segment(app_id)}", changes)
        return app

    async def get_own_key(self) -> dict[str, Any]:
        """What this client's key may do, and for which `app`."""
        key: dict[str, Any] = await self._issuer("GET", "/v1/keys/self")
        return key

    async def create_key(self, app_id: str, *, idempotency_key: str | None = None, **settings: Any) -> ApiKey:
        """Creates an API key (`scopes`, `expires_at`, …); its `key` is in this answer only."""
        path = f"/v1/apps/{segment(app_id)}/keys"
        return read(ApiKey, await self._issuer("POST", path, settings, key=idempotency_key))

    async def revoke_key(self, app_id: str, key_id: str) -> None:
        """Revokes an API key; one that is not there counts as revoked."""
        await self._issuer("DELETE", f"/v1/apps/{segment(app_id)}/keys/{segment(key_id)}")


def _registration(user_id: str, application_id: str) -> str:
    return f"/v1/users/{segment(user_id)}/registrations/{segment(application_id)}"
