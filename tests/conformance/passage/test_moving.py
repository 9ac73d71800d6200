"""docs/moving/passage.md: the example that it shows does what it says."""

import asyncio
import os
import re
import subprocess

import pytest

from tests.conformance.passage.conftest import PassageHouse, environment
from tests.conformance.sdks import ROOT, sdk_python

pytestmark = pytest.mark.conformance


async def test_the_example_in_the_document_runs(passage: PassageHouse) -> None:
    document = (ROOT / "docs" / "moving" / "passage.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", document, re.DOTALL | re.MULTILINE)
    around = environment(passage.house, passage.house.compat_url)
    ran = await asyncio.to_thread(
        subprocess.run,
        [str(sdk_python("passage")), "-c", example],
        env={"PATH": os.environ["PATH"], **around},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = ran.stdout.splitlines()
    assert told[0].startswith(f"hand this on: {passage.house.site_url}/?psg_magic_link=ml.")
    assert told[1:] == ["signed in: True", "and goes to: /reports/1"]
