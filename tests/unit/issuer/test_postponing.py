import orjson
import pytest
from aiokafka import ConsumerRecord

from services.issuer.postponing import Postponed, pause_seconds
from shared.consumer import Record
from shared.errors import RateLimited


def came(times: bytes | None) -> Record:
    headers = (("x-request-id", b"req-1"), *((("postponed", times),) if times is not None else ()))
    return ConsumerRecord(
        topic="t", partition=0, offset=0, timestamp=0, timestamp_type=0, key=b"k", value=b"{}", checksum=None,
        serialized_key_size=1, serialized_value_size=2, headers=headers,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("times", "retry_after_seconds", "pause"),
    [(None, 0.0, 5), (None, 360.0, 360), (b"1", 0.0, 10), (b"4", 0.0, 80), (b"99999", 0.0, 900), (b"99999", 3600.0, 3600),
     (b"-1", 0.0, 5), (b"\xff", 0.0, 5), (b"9" * 99, 0.0, 5)],
)  # fmt: skip
def test_a_record_waits_as_long_as_its_limit_asks_and_twice_as_long_each_time(
    times: bytes | None, retry_after_seconds: float, pause: float
) -> None:
    refusal = RateLimited(retry_after_seconds=retry_after_seconds)
    assert pause_seconds(came(times), refusal, lambda: 0.0) == pause
    assert pause_seconds(came(times), refusal, lambda: 1.0) == 2 * pause


def test_a_record_that_comes_back_counts_how_often_it_came() -> None:
    assert orjson.loads(Postponed(came(b"2"), 5).headers) == {"x-request-id": "req-1", "postponed": "3"}
