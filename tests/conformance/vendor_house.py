"""A cluster with compat, as a product on one vendor's SDK sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

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
            return str(await connection.fetchval("SELECT id FROM magiclink.apps WHERE vendor = $1", vendor))
        finally:
            await connection.close()

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
