"""A cluster with compat, as a product on one vendor's SDK sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from services.compat.presets import PRESETS
from services.dev.vendor_apps import Site
from tests.clusters import House


@dataclass
class VendorHouse(House):
    """`vendors` is what `dev.json` says of them: `vendors["stytch"]["secret"]` and so on."""

    vendors: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, house: House) -> Self:
        apps = house.cluster.vendor_apps
        assert apps is not None
        return cls(
            **{field.name: getattr(house, field.name) for field in fields(house)}, vendors=apps.vendors
        )

    @property
    def compat_url(self) -> str:
        return self.cluster.compat_urls[0]

    @property
    def site_url(self) -> str:
        """Where the product is; nothing listens there in these tests."""
        return self.cluster.site_url

    async def app_of(self, vendor: str) -> str:
        """Return the native app's id of a vendor's demo app."""
        connection = await self.database()
        try:
            demo = "SELECT id FROM magiclink.apps WHERE vendor = $1 AND vendor_id = $2"
            return str(await connection.fetchval(demo, vendor, self.vendors[vendor][PRESETS[vendor].id_name]))
        finally:
            await connection.close()

    async def another(self, vendor: str, vendor_id: str | None = None) -> dict[str, str]:
        """Make a second app of a vendor, as another customer of theirs has it; return what its SDK is given."""
        preset = PRESETS[vendor]
        vendor_id = vendor_id or preset.new_id()
        place = Site(self.site_url, self.compat_url).place(vendor)
        made = await self.new_app(**preset.app(vendor, vendor_id, place))
        return {preset.id_name: vendor_id, preset.key_name: made.api_key}

    async def change_app(self, vendor: str, **settings: Any) -> None:
        """Change settings of a vendor's app through the native API, at once everywhere."""
        status, body, _ = await self.call(
            "PATCH", f"{self.issuer_url}/v1/apps/{await self.app_of(vendor)}", settings
        )
        assert status == 200, body

    async def execute(self, sql: str, *args: Any) -> None:
        """Change the database as nobody else may: to let time pass, say."""
        connection = await self.database()
        try:
            await connection.execute(sql, *args)
        finally:
            await connection.close()
