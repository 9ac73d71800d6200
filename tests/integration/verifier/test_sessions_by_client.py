"""The client's methods of sessions, against a running verifier."""

import pytest

from shared.client import ApiError, MagicLinkClient
from shared.tokens import make_poll_token
from tests.integration.verifier.verifier_client import RunningVerifier
from tests.seeds import RINGS, SeededApp, Seeds


async def test_a_session_from_its_start_to_its_end(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    async with MagicLinkClient("http://127.0.0.1:1", verifier.url, app.key) as client:
        link = await seeds.link(app)
        signed_in = await client.verify_link(link.token, session={"refresh": True, "claims": {"a": 1}})
        session = signed_in.session
        assert session is not None
        assert session.claims == {"a": 1}
        used = await client.authenticate_session(str(signed_in.session_token), claims={"b": 2})
        assert (used.session.id, used.session.claims) == (session.id, {"a": 1, "b": 2})
        refreshed = await client.refresh_session(str(signed_in.refresh_token))
        assert refreshed.refresh_token != signed_in.refresh_token
        assert [found.id for found in await client.find_sessions(session.user_id)] == [session.id]
        jwt = await client.make_session_jwt(session.id, jwt_claims={"plan": "pro"})
        told = await client.introspect_jwt(jwt)
        assert told.claims is not None
        assert (told.session, told.claims["plan"]) == ("live", "pro")
        assert await client.revoke_sessions(session_id=session.id) == 1
        assert (await client.get_session(session.id)).revoked_at is not None
        assert not (await client.introspect_jwt(jwt)).active
        with pytest.raises(ApiError, match="session_invalid"):
            await client.authenticate_session(str(signed_in.session_token))


async def test_a_session_without_a_link_and_a_poll(
    verifier: RunningVerifier, app: SeededApp, seeds: Seeds
) -> None:
    async with MagicLinkClient("http://127.0.0.1:1", verifier.url, app.key) as client:
        opened = await client.start_session(str(await seeds.user(app)), factors=[{"type": "password"}])
        assert opened.session.factors[0]["type"] == "password"
        assert str(opened.session_token) not in repr(opened)
        link = await seeds.link(app)
        poll_token = make_poll_token(RINGS["verifier"], link.ref)
        assert (await client.poll_link(poll_token)).verification is None
        await client.verify_link(link.token)
        polled = await client.poll_link(poll_token, session={})
        assert polled.status == "consumed"
        assert polled.verification is not None
        assert polled.verification.session is not None
