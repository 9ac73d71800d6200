"""docs/moving/workos.md: the example that it shows does what it says."""

import asyncio
import re
import subprocess

import pytest

from tests.conformance.sdks import ROOT, sdk_python
from tests.conformance.vendor_house import VendorHouse

pytestmark = pytest.mark.conformance


@pytest.mark.parametrize("version", ["workos10", "workos6"])
async def test_the_example_signs_somebody_in(vendor_house: VendorHouse, version: str) -> None:
    text = (ROOT / "docs" / "moving" / "workos.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    given = vendor_house.vendors["workos"]
    environment = {
        "WORKOS_BASE_URL": vendor_house.compat_url,
        "WORKOS_API_KEY": given["api_key"],
        "WORKOS_CLIENT_ID": given["client_id"],
        "WORKOS_REDIRECT_URI": given["redirect_uri"],
    }
    python = await asyncio.to_thread(sdk_python, version)
    ran = await asyncio.to_thread(
        subprocess.run, [str(python), "-c", example],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "signed in: ada@example.com with state cart",
        "signed in: ada@example.com by MagicAuth",
    ]
