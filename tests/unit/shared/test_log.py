import json
import subprocess
import sys
import textwrap
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api_keys import new_key
from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.log import redact
from shared.tokens import LinkRef, make_grant, make_token, new_link_id

RING = KeyRing.parse(derive_ring(new_master(), "verifier"), SERVICE_PURPOSES["verifier"])
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@given(
    st.uuids(),
    st.sampled_from(["{}", "/l/{}", "?token={}&x=1", "'{}'", "Bearer {}.", "%2Fl%2F{}", r"\n{}\n", "_{}_"]),
)
def test_a_token_or_grant_is_redacted_wherever_it_stands(link_id: object, around: str) -> None:
    ref = LinkRef("1", new_link_id())
    for secret in (make_token(RING, ref.link_id), make_grant(RING, ref)):
        assert secret not in redact(around.format(secret))
        assert "[redacted]" in redact(around.format(secret))


def test_an_api_key_and_a_jwt_are_redacted() -> None:
    key = new_key().text
    assert redact(f"Bearer {key}!") == "Bearer [redacted]!"
    assert redact(f"jwt={JWT}") == "jwt=[redacted]"
    assert redact(f"{JWT}, {key}") == "[redacted], [redacted]"


@pytest.mark.parametrize(
    "text",
    [
        str(uuid4()),
        uuid4().hex,
        "link_id=0199a0b0-0000-7000-8000-000000000001 consumed",
        "SM" + "0" * 32,
        "mlk_0123456789ab",
        "magiclink.deliveries.interactive",
        "antidisestablishmentarianism",
        "/l/{token}",
        "2026-01-02T03:04:05.678901Z",
        "eyJ",
        "",
    ],
)
def test_ids_prefixes_and_words_stay(text: str) -> None:
    assert redact(text) == text


PROGRAM = """
    import asyncio, logging, sys
    import structlog
    from shared.log import configure_logging

    configure_logging("issuer", "info", "{log_format}")
    log = structlog.get_logger()
    token, key, jwt = sys.argv[1:4]
    log.info("as_text", token=token, header="Bearer " + key)
    log.info("nested", data={{"a": [token]}}, many=[key, jwt], raw=token.encode(), error=ValueError(token))
    log.info(token)
    log.debug("not_shown")
    structlog.contextvars.bind_contextvars(request_id="r-1")
    try:
        raise RuntimeError("cannot send " + token) from KeyError(key)
    except RuntimeError:
        log.exception("failed")
    logging.getLogger("some.library").warning("GET /l/%s", token)
    try:
        raise RuntimeError(jwt)
    except RuntimeError:
        logging.getLogger("some.library").exception("broken")
    logging.getLogger("aiohttp.access").warning("noise")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_planted_secret_reaches_the_log(log_format: str) -> None:
    secrets = [make_token(RING, new_link_id()), new_key().text, JWT]
    program = textwrap.dedent(PROGRAM).format(log_format=log_format)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *secrets], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert not [secret for secret in secrets if secret in done.stdout]
    assert done.stdout.count("[redacted]") >= 10
    assert "not_shown" not in done.stdout
    assert "noise" not in done.stdout
    if log_format == "json":
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert {line["service"] for line in lines} == {"issuer"}
        assert [line["level"] for line in lines] == ["info"] * 3 + ["error", "warning", "error"]
        assert lines[3]["request_id"] == "r-1"
        assert "RuntimeError: cannot send [redacted]" in lines[3]["exception"]
        assert lines[4]["event"] == "GET /l/[redacted]"
        assert "RuntimeError: [redacted]" in lines[5]["exception"]
