"""What the routes of users, applications, registrations and connections answer, in the states that they can have."""

from uuid import uuid4

from tests.conformance.documented import Documented


async def vendor_apps(documented: Documented) -> None:
    vendor_id = uuid4().hex
    named = {"vendor": "workos", "vendor_id": vendor_id}
    await documented.call("issuer", "POST /v1/apps", {"name": "Shop", **named})
    await documented.call("issuer", "POST /v1/apps", {"name": "Shop", **named})
    await documented.call("issuer", "GET /v1/apps/by-vendor", vendor="workos", vendor_id=vendor_id)
    await documented.call("issuer", "GET /v1/apps/by-vendor", vendor="workos", vendor_id="nobody")
    await documented.call("issuer", "GET /v1/keys/self")
    await documented.call("issuer", "GET /v1/keys/self", headers={"Authorization": "Bearer nonsense"})


async def searches(documented: Documented) -> None:
    wanted = {"username": uuid4().hex, "status": "suspended", "suspended_until": "2030-01-01T00:00:00Z"}
    user = await documented.call("issuer", "POST /v1/users", wanted)
    filters = [{"field": "id", "values": [user["id"]]}]
    await documented.call("issuer", "POST /v1/users/search", {"filters": filters})
    await documented.call("issuer", "POST /v1/users/search", {"filters": [{"field": "id", "values": ["x"]}]})


async def applications(documented: Documented) -> None:
    wanted = {"id": str(uuid4()), "name": "Web"}
    made = await documented.call("issuer", "POST /v1/applications", wanted)
    await documented.call("issuer", "POST /v1/applications", wanted)
    await documented.call("issuer", "POST /v1/applications", {"name": ""})
    await documented.call("issuer", "GET /v1/applications")
    await documented.call("issuer", "GET /v1/applications/{id}", id=made["id"])
    await documented.call("issuer", "PATCH /v1/applications/{id}", {"active": False}, id=made["id"])
    user = await documented.call("issuer", "POST /v1/users", {"username": uuid4().hex})
    of_user, registrations = {"id": user["id"]}, "/v1/users/{id}/registrations"
    registration = {"application_id": made["id"]}
    await documented.call("issuer", f"POST {registrations}", registration, **of_user)
    await documented.call("issuer", f"POST {registrations}", registration, **of_user)
    await documented.call("issuer", f"POST {registrations}", {"application_id": str(uuid4())}, **of_user)
    await documented.call("issuer", f"GET {registrations}", **of_user)
    one, named = f"{registrations}/{{application_id}}", {**of_user, **registration}
    await documented.call("issuer", f"GET {one}", **named)
    await documented.call("issuer", f"PATCH {one}", {"verified": False}, **named)
    await documented.call("issuer", f"DELETE {one}", **named)
    await documented.call("issuer", f"DELETE {one}", **named)
    await documented.call("issuer", "DELETE /v1/applications/{id}", id=made["id"])
    await documented.call("issuer", "GET /v1/applications/{id}", id=made["id"])


async def connections(documented: Documented) -> None:
    wanted = {"domain": f"{uuid4().hex}.example"}
    made = await documented.call("issuer", "POST /v1/connections", wanted)
    await documented.call("issuer", "POST /v1/connections", {"domain": "nobody"})
    await documented.call("issuer", "GET /v1/connections", domain=wanted["domain"])
    await documented.call("issuer", "GET /v1/connections/{id}", id=made["id"])
    await documented.call("issuer", "GET /v1/connections/{id}", id=uuid4())


DIRECTORY_SCENES = (vendor_apps, searches, applications, connections)
