"""The reminder job, up to the broker."""

import json
from collections import Counter
from pathlib import Path

import phonenumbers
import pytest
from cloudevents.core.formats.json import JSONFormat

from examples.reminder_job import (
    MOST,
    Job,
    JobError,
    Reminder,
    job_of,
    parse_arguments,
    publish,
    reminders,
    week_start,
)
from shared.bus import decode_event
from shared.links import RequestedLink

APP = "0190b0c4-0000-7000-8000-00000000000a"
JOB = Job("127.0.0.1:9", APP, "2026-W07", "2026-W07")


def on_the_wire(request: Reminder) -> bytes:
    return JSONFormat().write(request.event)


def test_a_run_gives_the_same_bytes_every_time() -> None:
    assert [on_the_wire(one) for one in reminders(JOB)] == [on_the_wire(one) for one in reminders(JOB)]


def test_each_request_of_a_run_has_an_id_of_its_own_that_names_the_week() -> None:
    ids = [request.event.get_id() for request in reminders(JOB)]
    assert ids[0] == "reminder-2026-W07-1"
    assert len(set(ids)) == 20


def test_the_mix_has_every_channel() -> None:
    assert Counter(request.channel for request in reminders(JOB)) == {"email": 10, "sms": 5, "whatsapp": 5}


def test_every_request_is_what_the_issuer_takes() -> None:
    for request in reminders(Job("b", APP, "2026-W07", "2026-W07", count=MOST)):
        event = decode_event(on_the_wire(request))
        assert (event.type, event.source) == ("magiclink.link.requested.v1", "/examples/reminder-job")
        taken = RequestedLink.model_validate(event.data)
        assert taken.lane == "bulk"
        assert request.recipient == (taken.email or taken.phone)


def test_every_number_is_valid_and_set_aside_for_fiction_and_nobody_is_asked_twice() -> None:
    requests = reminders(Job("b", APP, "2026-W07", "2026-W07", count=MOST))
    assert len({request.recipient for request in requests}) == MOST
    for request in requests:
        if request.channel != "email":
            assert phonenumbers.is_valid_number(phonenumbers.parse(request.recipient))
            assert request.recipient[5:10] == "55501"


def test_the_key_is_stable_and_does_not_show_the_recipient() -> None:
    request = reminders(JOB)[0]
    assert request.key == reminders(JOB)[0].key
    assert request.recipient.encode() not in request.key


@pytest.mark.parametrize("week", ["2026-W54", "2026-7", "W07", "", "2026-W07-1"])
def test_a_week_that_does_not_exist_is_refused(week: str) -> None:
    with pytest.raises(JobError, match="not a week"):
        week_start(week)


def test_dev_json_completes_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    dev = {"kafka_bootstrap": "127.0.0.1:8008", "app_id": APP, "kafka_idempotence": False}
    path.write_text(json.dumps(dev))
    job = job_of(parse_arguments(["--dev-json", str(path), "--week", "2026-W07"]))
    assert job == Job("127.0.0.1:8008", APP, "2026-W07", "2026-W07", idempotence=False)
    assert job_of(parse_arguments(["--dev-json", str(path), "--idempotence"])).idempotence


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "make run"), ("{", "cannot be read"), ("[]", "JSON object"), ("{}", "lacks")],
)
def test_a_dev_json_that_does_not_help_is_said_clearly(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "dev.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(JobError, match=words):
        job_of(parse_arguments(["--dev-json", str(path)]))


@pytest.mark.parametrize("count", ["0", "-1", str(MOST + 1)])
def test_a_count_that_makes_no_sense_is_refused(count: str) -> None:
    with pytest.raises(JobError, match="--count"):
        job_of(parse_arguments(["--bootstrap", "b:1", "--app-id", APP, "--count", count]))


async def test_no_broker_is_an_error_in_words() -> None:
    with pytest.raises(JobError, match=r"Kafka at 127\.0\.0\.1:9"):
        await publish(JOB)
