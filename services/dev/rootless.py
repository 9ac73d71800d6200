"""PostgreSQL refuses to run as root; inside a user namespace of its own, root is an ordinary user."""

import os
import shutil
from collections.abc import Sequence

from services.dev.binaries import run_quietly
from services.dev.children import bare_environment
from services.dev.problems import DevProblem

# Files made inside belong to root outside, so nothing needs to change hands and no user is created.
UNSHARE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
_ADVICE = (
    "PostgreSQL does not run as root, and this machine does not let root enter a user namespace.\n"
    "Start as an ordinary user, allow user namespaces (in Docker: a seccomp profile that permits `unshare`), or name a "
    "PostgreSQL of your own in MAGICLINK_DATABASE_URL."
)


async def without_root(argv: Sequence[str]) -> list[str]:
    """Return the command as it runs without root's identity. Raises `DevProblem` where user namespaces are forbidden."""
    if os.geteuid() != 0:
        return list(argv)
    if shutil.which("unshare") is None:
        raise DevProblem(f"{_ADVICE}\n(`unshare`, of util-linux, is not installed.)")
    try:
        await run_quietly([*UNSHARE, "true"], bare_environment(), "unshare failed")
    except DevProblem as problem:
        raise DevProblem(f"{_ADVICE}\n({problem})") from None
    return [*UNSHARE, *argv]
