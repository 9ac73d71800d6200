"""docs/moving/fusionauth.md: the example that it shows does what it says."""

import asyncio
import os
import re
import subprocess
from uuid import uuid4

import pytest

from tests.conformance.fusionauth.fusion import Fusion
from tests.conformance.sdks import ROOT, sdk_python

pytestmark = pytest.mark.conformance


async def test_the_example_in_the_document_runs(fusion: Fusion) -> None:
    document = (ROOT / "docs" / "moving" / "fusionauth.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", document, re.DOTALL | re.MULTILINE)
    around = {
        "PATH": os.environ["PATH"],
        "FUSIONAUTH_KEY": fusion.given["api_key"],
        "FUSIONAUTH_URL": fusion.house.compat_url,
        "FUSIONAUTH_APPLICATION_ID": fusion.application_id,
        "EMAIL": f"ada{uuid4().hex}@example.com",
    }
    ran = await asyncio.to_thread(
        subprocess.run,
        [str(await asyncio.to_thread(sdk_python, "fusionauth")), "-c", example],
        env=around,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    registered, signed_in, roles = ran.stdout.splitlines()
    assert registered == "registered: True"
    assert signed_in == "signed in: 200 with state {'cart_id': 1234}"
    assert roles == "roles: ['user']"
