"""Steps of a start that run at the same time."""

import asyncio
from collections.abc import Awaitable

from services.dev.problems import DevProblem


async def together(*steps: Awaitable[object]) -> None:
    """Run the steps at the same time. The first `DevProblem` ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(_run(step))
    except BaseExceptionGroup as group:
        # Not `except*`: what it raises comes wrapped in a group again.
        problem = _first_problem(group)
        if problem is None:
            raise
        raise problem from None


async def _run(step: Awaitable[object]) -> None:
    await step


def _first_problem(group: BaseExceptionGroup[BaseException]) -> DevProblem | None:
    problems = group.subgroup(DevProblem)
    found: BaseException | None = problems
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, DevProblem) else None
