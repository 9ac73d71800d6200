from uuid import UUID

import pytest

from services.compat.workos import ids
from shared.errors import NotFound

NATIVE = "0199a000-0000-7000-8000-00000000000a"


@pytest.mark.parametrize("form", [ids.SESSION, ids.MAGIC_AUTH, ids.PROFILE, ids.CONNECTION, ids.FACTOR])
def test_an_id_is_read_back_as_it_was_written(form: str) -> None:
    assert ids.native_id(form, ids.named(form, NATIVE)) == UUID(NATIVE)


@pytest.mark.parametrize(
    "text",
    ["", NATIVE, ids.named(ids.SESSION, NATIVE).lower(), ids.named(ids.SESSION, NATIVE) + "0", ids.named(ids.MAGIC_AUTH, NATIVE),
     "passwordless_session_" + "Z" * 26, "passwordless_session_../../v1/keys"],
)  # fmt: skip
def test_any_other_spelling_names_nothing(text: str) -> None:
    with pytest.raises(NotFound):
        ids.native_id(ids.SESSION, text)
