"""docs/moving/stytch.md: the example that it shows does what it says."""

import asyncio
import os
import re
import subprocess

import pytest

from tests.conformance.sdks import ROOT, sdk_python
from tests.conformance.stytch.conftest import environment
from tests.conformance.vendor_house import VendorHouse

pytestmark = pytest.mark.conformance


async def test_the_example_in_the_document_runs(vendor_house: VendorHouse) -> None:
    document = (ROOT / "docs" / "moving" / "stytch.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", document, re.DOTALL | re.MULTILINE)
    around = environment(vendor_house, vendor_house.compat_url)
    ran = await asyncio.to_thread(
        subprocess.run,
        [str(await asyncio.to_thread(sdk_python, "stytch")), "-c", example],
        env={"PATH": os.environ["PATH"], **around},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    mailed, signed_in, session = ran.stdout.splitlines()
    assert mailed.startswith("mailed to: email-test-")
    assert (signed_in, session) == ("signed in: True", "session: True")
