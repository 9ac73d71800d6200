"""The program `magiclink` as an operator runs it."""

import asyncio
import os
import sys
from dataclasses import dataclass


@dataclass
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


class Program:
    """Runs commands with settings of the test's own. A traceback fails the test: no mistake of an operator earns one."""

    def __init__(self, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAGICLINK_")}
        self.environment = {**kept, **environment}

    async def __call__(self, *arguments: str, given: str | None = None) -> Ended:
        """Run a command; `given` is what it reads from standard input."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.cli", *arguments, env=self.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate((given or "").encode())
        assert b"Traceback" not in err, err.decode()
        return Ended(process.returncode or 0, out.decode().strip(), err.decode().strip())
