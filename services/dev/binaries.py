"""Programs that wheels bring along, found without importing the packages (some do work at import)."""

import asyncio
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.dev.problems import DevProblem


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package, or None when it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


async def run_quietly(argv: Sequence[str], environment: Mapping[str, str], what_failed: str) -> str:
    """Run a program to its end and return its output. Raises `DevProblem` with the output when it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace")
    if process.returncode != 0:
        raise DevProblem(f"{what_failed} (exit code {process.returncode}):\n{text.strip()[-2000:]}")
    return text
