"""Which version of the program this is: of the installed distribution, or of the checkout it runs from."""

import tomllib
from importlib import metadata
from pathlib import Path


def program_version() -> str:
    """Return the version, such as `1.2.0`."""
    checkout = Path(__file__).parents[2] / "pyproject.toml"
    if checkout.exists():
        with checkout.open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])
    return metadata.version("magiclink")
