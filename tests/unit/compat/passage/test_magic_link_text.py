"""`ml.<id>.<user>.<secret>` is read in one way."""

import pytest

from services.compat.passage.magic_link_text import MagicLinkText


def test_the_parts_are_found() -> None:
    found = MagicLinkText.parse("ml.id1.user1.secret1")
    assert found == MagicLinkText("id1", "user1", "secret1")


def test_an_imported_users_id_may_have_dots() -> None:
    found = MagicLinkText.parse("ml.id1.user.with.dots.secret1")
    assert found == MagicLinkText("id1", "user.with.dots", "secret1")


@pytest.mark.parametrize(
    "text",
    ["", "ml", "ml.a.b", "xl.a.b.c", "ml..b.c", "ml.a.b.", "ml.a..c", "ML.a.b.c", " ml.a.b.c", "ml.a.b." + "c" * 1100],
)  # fmt: skip
def test_anything_else_is_no_magic_link(text: str) -> None:
    assert MagicLinkText.parse(text) is None


def test_the_parts_of_a_url_are_found_where_the_parameter_is() -> None:
    url = "https://shop.example/in?next=%2Fa&psg_magic_link=ml.a.b.c"
    assert MagicLinkText.of_url(url) == MagicLinkText("a", "b", "c")
    assert MagicLinkText.of_url("https://shop.example/in?token=ml.a.b.c") is None
    assert MagicLinkText.of_url("") is None


def test_no_representation_shows_a_credential() -> None:
    assert "secret1" not in repr(MagicLinkText("id1", "user1", "secret1"))
    assert "id1" not in repr(MagicLinkText("id1", "user1", "secret1"))
