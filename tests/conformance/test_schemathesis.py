"""schemathesis makes requests out of the documents, right ones and wrong ones, and holds the answers against them."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from tests.clusters import House
from tests.conformance.documented import Documented
from tests.conformance.known_things import make_known_things, pinned

# It takes one minute, and several on a busy machine.
MOST_SECONDS = 420
CONFIG = Path(__file__).with_name("schemathesis.toml")
# Its success would be the end of all other calls.
SPARED = "apps_revoke_key"


async def run(documented: Documented, service: str, folder: Path) -> tuple[int, str]:
    """Run schemathesis against a service of the cluster; return its status and its words."""
    house: House = documented.house
    url = documented.urls[service]
    path = folder / f"{service}.json"
    known = await make_known_things(house)
    async with house.session.get(f"{url}/openapi.json") as response:
        path.write_bytes(orjson.dumps(pinned(await response.json(), known)))
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(CONFIG),
        "run",
        str(path),
        "--url",
        url,
    ]
    command += ["--header", f"Authorization: Bearer {house.api_key}"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--seed", "20"]
    command += [
        "--request-timeout",
        "20",
        "--no-color",
        "--output-truncate",
        "true",
        "--max-failures",
        "20",
        "--suppress-health-check",
        "all",
    ]
    command += ["--exclude-operation-id", SPARED]
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **known},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(), MOST_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            child.kill()
    return child.returncode or 0, output.decode(errors="replace")


def shortened(words: str) -> str:
    """Return the findings without the long bodies that some have."""
    return "\n".join(line[:400] for line in words[words.find("= FAILURES =") :].splitlines())


@pytest.mark.contract
@pytest.mark.parametrize("service", ["issuer", "verifier", "notifier"])
async def test_schemathesis_finds_no_answer_that_the_document_does_not_foresee(
    documented: Documented, service: str, tmp_path: Path
) -> None:
    status, words = await run(documented, service, tmp_path)
    assert status == 0, shortened(words)
