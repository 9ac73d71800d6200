import pytest

from shared.http.ops import Health


async def well() -> None:
    return


async def sick() -> None:
    raise OSError("connect to 10.0.0.1: refused")


@pytest.mark.parametrize(
    ("redis_well", "postgresql_well", "ready"),
    [(True, True, True), (False, True, True), (True, False, False)],
)
async def test_readiness_names_each_dependency_and_waits_for_those_it_cannot_do_without(
    redis_well: bool, postgresql_well: bool, ready: bool
) -> None:
    checks = {"postgresql": well if postgresql_well else sick, "redis": well if redis_well else sick}
    is_ready, words = await Health(checks, optional=frozenset({"redis"})).report()
    assert is_ready is ready
    assert words == {
        "postgresql": "ok" if postgresql_well else "failed: OSError",
        "redis": "ok" if redis_well else "failed: OSError",
    }


async def test_a_service_that_stops_is_not_ready() -> None:
    health = Health({"postgresql": well})
    health.draining = True
    assert await health.report() == (False, {"postgresql": "ok", "service": "draining"})
