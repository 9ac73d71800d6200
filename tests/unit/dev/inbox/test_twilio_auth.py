import base64

import pytest

from services.dev.inbox.twilio_auth import TwilioAccount, authenticate
from services.dev.inbox.twilio_rules import TwilioRefusedError

ACCOUNT = TwilioAccount("AC" + "0" * 32, "a-token")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_the_configured_pair_is_let_in() -> None:
    assert authenticate(ACCOUNT, ACCOUNT.sid, basic(ACCOUNT.sid, "a-token")) is ACCOUNT


@pytest.mark.parametrize(
    ("account", "path_sid", "authorization"),
    [
        (ACCOUNT, ACCOUNT.sid, None),
        (ACCOUNT, ACCOUNT.sid, basic(ACCOUNT.sid, "wrong")),
        (ACCOUNT, ACCOUNT.sid, basic("AC" + "1" * 32, "a-token")),
        (ACCOUNT, "AC" + "1" * 32, basic(ACCOUNT.sid, "a-token")),
        (ACCOUNT, ACCOUNT.sid, basic(ACCOUNT.sid, "")),
        (ACCOUNT, ACCOUNT.sid, basic(ACCOUNT.sid, "tökén")),
        (ACCOUNT, ACCOUNT.sid, "Basic ???"),
        (ACCOUNT, ACCOUNT.sid, "Basic tökén"),
        (ACCOUNT, ACCOUNT.sid, "Bearer a-token"),
        (None, ACCOUNT.sid, basic(ACCOUNT.sid, "a-token")),
        (None, "", basic("", "")),
    ],
)
def test_any_other_pair_is_a_401(
    account: TwilioAccount | None, path_sid: str, authorization: str | None
) -> None:
    with pytest.raises(TwilioRefusedError) as refused:
        authenticate(account, path_sid, authorization)
    assert (refused.value.code, refused.value.status) == (20003, 401)


def test_the_token_does_not_show_in_a_repr() -> None:
    assert "a-token" not in repr(ACCOUNT)
