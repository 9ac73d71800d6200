"""Whose call it is: by the API key, by client and secret, or by an access token."""

from services.compat import headers
from services.compat.accounts import Account, Accounts
from services.compat.workos.ids import VENDOR
from shared.errors import Unauthorized
from shared.http.routes import Call


async def of_api_key(accounts: Accounts, call: Call) -> Account:
    """Return the account of `Authorization: Bearer <api key>`. Raises `Unauthorized`."""
    return await accounts.of_key(VENDOR, bearer(call))


async def of_client(accounts: Accounts, client_id: str, client_secret: str) -> Account:
    """Return the account of a client, whose secret is its API key. Raises `Unauthorized` for the key of another client."""
    account = await accounts.of_key(VENDOR, client_secret)
    if account.app.vendor_id != client_id:
        raise Unauthorized
    return account


def bearer(call: Call) -> str:
    """Return what the `Authorization` header bears (RFC 6750 §2.1). Raises `Unauthorized`."""
    text = headers.bearer(call)
    if text is None:
        raise Unauthorized
    return text
