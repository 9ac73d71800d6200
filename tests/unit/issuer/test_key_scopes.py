import pytest

from services.issuer.api_keys import with_implied
from shared.api_keys import SCOPES


def test_administering_apps_brings_reading_and_changing_them_along() -> None:
    assert with_implied(["apps:admin"]) == ["apps:read", "apps:write", "apps:admin"]


def test_scopes_stand_once_in_one_order() -> None:
    assert with_implied(["users:read", "links:create", "users:read"]) == ["links:create", "users:read"]
    assert with_implied(reversed(list(SCOPES))) == list(SCOPES)


def test_an_unknown_scope_is_no_scope() -> None:
    with pytest.raises(ValueError, match="unknown scopes"):
        with_implied(["everything"])
