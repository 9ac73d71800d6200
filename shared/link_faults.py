"""What is wrong with a link request as a whole: fields that do not go together."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import ModelWrapValidatorHandler, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from shared.link_urls import MAX_STATE_CHARS, names_in

Model = TypeVar("Model")


def is_passcode_template(name: str | None) -> bool:
    """Say whether a template is for messages that hold a passcode and no link: `passcode`, or `passcode-…` and `passcode_…`."""
    return name is not None and name.partition("-")[0].partition("_")[0] == "passcode"


def check_whole(
    name: str,
    value: Any,
    check: ModelWrapValidatorHandler[Model],
    faults: Callable[[dict[str, Any]], list[InitErrorDetails]],
) -> Model:
    """Check a model's fields and its whole, for a wrap validator: what is wrong with either is told together."""
    found = faults(value) if isinstance(value, dict) else []
    try:
        request = check(value)
    except ValidationError as error:
        found = [_kept(problem) for problem in error.errors(include_url=False)] + found
    if found:
        raise ValidationError.from_exception_data(name, found)
    return request


def _kept(problem: ErrorDetails) -> InitErrorDetails:
    """Return a finding as it can be raised again, with its own rule and words."""
    context = {**problem.get("ctx", {}), "words": problem["msg"]}
    again = PydanticCustomError(problem["type"], "{words}", context)
    return InitErrorDetails(type=again, loc=problem["loc"], input=problem["input"])


def faults_of_whole(value: dict[str, Any]) -> list[InitErrorDetails]:
    """Return every fault, each with the field that is at fault, or with none."""
    given = [name for name in ("user_id", "email", "phone") if value.get(name) is not None]
    faults = []
    if len(given) != 1:
        words = "give exactly one of user_id, email, phone (given: {given})"
        faults.append(
            ((), PydanticCustomError("one_recipient", words, {"given": ", ".join(given) or "none"}))
        )
    if value.get("send_at") is not None and value.get("channel", "none") == "none":
        faults.append(
            ((), PydanticCustomError("send_at_needs_channel", "send_at needs a channel to send by"))
        )
    return [InitErrorDetails(type=fault, loc=at, input=None) for at, fault in [*faults, *_misfits(value)]]


def _misfits(value: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], PydanticCustomError]]:
    template, name = value.get("url_template"), value.get("template")
    names = names_in(template) if isinstance(template, str) else frozenset()
    has_passcode = value.get("passcode") is True
    if value.get("verify_address") is True and value.get("channel", "none") == "none":
        yield _misfit("verify_address", "verify_address_needs_channel", "needs a channel to send by")
    if "passcode" in names and not has_passcode:
        yield _misfit("url_template", "url_template_passcode", "has {passcode}, and passcode is not true")
    if "state" in names and not _fits_url(value.get("state")):
        words = f"has {{state}}, and the state is not a text of at most {MAX_STATE_CHARS} characters"
        yield _misfit("url_template", "url_template_state", words)
    if isinstance(name, str) and is_passcode_template(name) and not has_passcode:
        words = "shows a passcode and no link, and passcode is not true"
        yield _misfit("template", "template_needs_passcode", words)


def _fits_url(state: Any) -> bool:
    return state is None or (isinstance(state, str) and len(state) <= MAX_STATE_CHARS)


def _misfit(field: str, rule: Any, words: str) -> tuple[tuple[str, ...], PydanticCustomError]:
    return (field,), PydanticCustomError(rule, "{words}", {"words": words})
