"""Signed webhooks: as the standard says, and good for nothing else."""

import base64
import hmac
from uuid import uuid4

import pytest

from shared.keys import SERVICE_PURPOSES, KeyRing, derive_ring, new_master
from shared.webhooks import (
    WebhookInvalid,
    event_names,
    message_id_of,
    name_of,
    secret_of,
    signed_headers,
    verify,
)

# The example of the documentation that the standard grew out of.
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
BODY = b'{"event_type":"ping","data":{"success":true}}'
SENT_AT = 1731705121
HEADERS = {
    "webhook-id": "msg_loFOjxBNrRLzqYUf",
    "webhook-timestamp": str(SENT_AT),
    "webhook-signature": "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
}


def test_a_message_is_signed_as_the_standard_says() -> None:
    assert signed_headers(SECRET, "msg_loFOjxBNrRLzqYUf", SENT_AT, BODY) == HEADERS


@pytest.mark.parametrize("now_seconds", [SENT_AT - 300, SENT_AT, SENT_AT + 300])
def test_a_signed_message_is_taken_for_five_minutes(now_seconds: float) -> None:
    verify(SECRET, HEADERS, BODY, now_seconds)


def test_one_of_several_signatures_is_enough() -> None:
    several = f"v1,{'A' * 43}= v2,x {HEADERS['webhook-signature']}"
    verify(SECRET, {**HEADERS, "webhook-signature": several}, BODY, SENT_AT)


@pytest.mark.parametrize(
    ("change", "body", "now_seconds"),
    [
        ({}, BODY + b" ", SENT_AT),
        ({}, BODY, SENT_AT + 301),
        ({}, BODY, SENT_AT - 301),
        ({"webhook-id": "msg_other"}, BODY, SENT_AT),
        ({"webhook-id": ""}, BODY, SENT_AT),
        ({"webhook-timestamp": str(SENT_AT + 1)}, BODY, SENT_AT),
        ({"webhook-timestamp": "now"}, BODY, SENT_AT),
        ({"webhook-timestamp": "٣"}, BODY, SENT_AT),
        ({"webhook-timestamp": "9" * 5000}, BODY, SENT_AT),
        ({"webhook-signature": ""}, BODY, SENT_AT),
        ({"webhook-signature": "é"}, BODY, SENT_AT),
        ({"webhook-signature": "v1,\udce9"}, BODY, SENT_AT),
        ({"webhook-id": "\udce9"}, BODY, SENT_AT),
        ({"webhook-signature": "rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}, BODY, SENT_AT),
        ({"webhook-signature": "v1a,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}, BODY, SENT_AT),
    ],
)
def test_what_was_changed_or_recorded_is_refused(
    change: dict[str, str], body: bytes, now_seconds: float
) -> None:
    with pytest.raises(WebhookInvalid):
        verify(SECRET, {**HEADERS, **change}, body, now_seconds)


def test_another_secret_verifies_nothing() -> None:
    with pytest.raises(WebhookInvalid):
        verify("whsec_" + "A" * 32, HEADERS, BODY, SENT_AT)
    with pytest.raises(WebhookInvalid):
        verify("not base64!", HEADERS, BODY, SENT_AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_MTIzNDU2Nzg5MDEyMzQ1"])
def test_a_secret_that_anybody_could_have_verifies_nothing(secret: str) -> None:
    # What an attacker signs with the empty secret of a receiver whose setting is missing.
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{HEADERS['webhook-id']}.{SENT_AT}.".encode() + BODY
    forged = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    with pytest.raises(WebhookInvalid):
        verify(secret, {**HEADERS, "webhook-signature": f"v1,{forged}"}, BODY, SENT_AT)


def test_every_endpoint_has_a_secret_of_its_own() -> None:
    master = new_master()
    rings = [
        KeyRing.parse(derive_ring(master, name), SERVICE_PURPOSES[name]) for name in ("issuer", "notifier")
    ]
    one, other = uuid4(), uuid4()
    # The issuer tells it, the notifier signs with it.
    assert secret_of(rings[0], "1", one) == secret_of(rings[1], "1", one)
    assert secret_of(rings[0], "1", one) != secret_of(rings[0], "1", other)
    assert secret_of(rings[0], "2", one) is None


def test_no_name_of_a_message_can_be_taken_for_a_time() -> None:
    assert message_id_of("0197b0aa-0000-7000-8000-000000000000.2") == "0197b0aa-0000-7000-8000-000000000000_2"


def test_products_may_ask_for_what_happened_and_not_for_what_is_between_services() -> None:
    names = event_names()
    assert {"link.issued", "link.consumed", "message.delivered", "grant.exchanged"} <= names
    assert not {"link.requested", "message.queued", "link.renewal_requested", "webhook.queued"} & names
    assert name_of("magiclink.link.consumed.v1") == "link.consumed"
