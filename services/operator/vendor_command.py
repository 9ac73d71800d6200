"""`magiclink vendors`: an app that answers as a vendor's project, and the keys that go with it, in one step each."""

from typing import Any
from uuid import UUID, uuid4

import click
from pydantic import TypeAdapter, ValidationError

from services.compat.presets import COMPAT_SCOPES, PRESETS, VENDOR_SCOPES, Place
from services.issuer.admin import allows_http, run_on_database
from services.issuer.api_keys import KeyCreate, create_key
from services.issuer.app_settings import app_settings
from services.issuer.applications import ApplicationCreate, create_application
from services.issuer.apps import create_app
from shared.command_line import AS_JSON, examples, show
from shared.database import Connection
from shared.settings import BaseUrl

# A key belongs to an app: compat's to one that answers as nobody's.
_COMPAT_APP = "Compat"
_BASE_URL: TypeAdapter[str] = TypeAdapter(BaseUrl)


def _origin(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Take a base URL without a path."""
    try:
        url = _BASE_URL.validate_python(value)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    if url.count("/") > 2:
        raise click.BadParameter("must have no path: two of the vendors' SDKs drop it")
    return url


@click.command(
    "add",
    epilog=examples(
        "vendors add stytch Shop --compat-url https://vendors.example.com --base-url https://shop.example --redirect https://shop.example/authenticate",
        "vendors add workos Shop --compat-url https://vendors.example.com --redirect https://shop.example/callback --id client_01HZ…",
    ),
)
@click.argument("vendor", type=click.Choice(sorted(PRESETS)))
@click.argument("name")
@click.option(
    "--compat-url",
    required=True,
    metavar="URL",
    callback=_origin,
    help="Compat as the vendor's SDK reaches it: https://host, without a path.",
)
@click.option("--base-url", metavar="URL", help="The product's site.")
@click.option(
    "--redirect",
    "redirects",
    multiple=True,
    metavar="URL",
    help="Where links may lead. The first is the default. May be given again.",
)
@click.option(
    "--id",
    "vendor_id",
    metavar="ID",
    help="The project, client, app or tenant id that the product uses today; default: a new one.",
)
@click.option(
    "--application",
    "application_id",
    type=click.UUID,
    help="FusionAuth: the application's id; default: a new one.",
)
@AS_JSON
def add_command(*, vendor: str, name: str, as_json: bool, **given: Any) -> None:
    """Make an app named NAME that answers as VENDOR's, with that vendor's lives and forms, and a key; print what its SDK is given.

    The key is printed this once: it is kept nowhere.
    """
    if vendor == "workos" and not given["redirects"]:
        raise click.UsageError("give --redirect: WorkOS sends codes to registered redirect URIs only")
    if given["application_id"] and vendor != "fusionauth":
        raise click.UsageError("--application is for fusionauth")
    # API keys and codes go there.
    if not given["compat_url"].startswith("https://") and not allows_http():
        raise click.UsageError("--compat-url must be https outside the dev environment")
    place = Place(given["base_url"], given["redirects"], given["compat_url"])
    vendor_id = given["vendor_id"] or PRESETS[vendor].new_id()
    preset = PRESETS[vendor].app(vendor, vendor_id, place)

    async def make(connection: Connection) -> dict[str, str]:
        settings = app_settings({"name": name, **preset}, allow_http=allows_http())
        app = await create_app(connection, settings)
        key = await create_key(
            connection, app["id"], KeyCreate(name=f"{vendor} SDK", scopes=list(VENDOR_SCOPES))
        )
        # Not `app_id`: so Passage calls its own id.
        made = {
            "native_app_id": str(app["id"]),
            "base_url": place.compat_url,
            PRESETS[vendor].id_name: vendor_id,
        }
        made[PRESETS[vendor].key_name] = key["key"]
        if vendor == "fusionauth":
            made["application_id"] = str(
                await _application(connection, app["id"], name, given["application_id"])
            )
        return made

    made = run_on_database(make)
    show(made, _lines(made), as_json=as_json)


@click.command("compat-key", epilog=examples("vendors compat-key > compat_api_key"))
@AS_JSON
def compat_key_command(*, as_json: bool) -> None:
    """Make compat's own key, for MAGICLINK_COMPAT_API_KEY, and print it, this once.

    It acts for apps that answer as a vendor's, in the calls to which their SDKs give no key, and for no other app.
    """

    async def make(connection: Connection) -> dict[str, Any]:
        app = await create_app(connection, app_settings({"name": _COMPAT_APP}, allow_http=False))
        return await create_key(connection, app["id"], KeyCreate(name="compat", scopes=list(COMPAT_SCOPES)))

    key = run_on_database(make)
    show(key, key["key"], as_json=as_json)


async def _application(connection: Connection, app_id: UUID, name: str, application_id: UUID | None) -> UUID:
    wanted = ApplicationCreate(id=application_id or uuid4(), name=name, refresh_tokens=True)
    made = await create_application(connection, app_id, wanted)
    found: UUID = made["id"]
    return found


def _lines(made: dict[str, str]) -> str:
    width = max(map(len, made))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in made.items())
