"""Starts the three backends as a launcher does and then waits to be killed: `launcher_stand_in.py DATA_DIR`."""

import asyncio
import sys
from pathlib import Path

from services.dev.data_lock import locked
from tests.backends import new_kafka, new_postgres, new_redis


async def main(data_dir: Path) -> None:
    for part in (new_postgres(data_dir), new_redis(data_dir), new_kafka(data_dir)):
        await part.start()
    sys.stdout.write("started\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with locked(folder):
        asyncio.run(main(folder))
