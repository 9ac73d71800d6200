from services.dev.inbox.pages import in_scheme

STYLE = "@media (prefers-color-scheme: dark) { a { b: c } } @media (Prefers-Color-Scheme:light) {}"


def test_a_mails_own_media_queries_follow_the_chosen_scheme() -> None:
    assert in_scheme(STYLE, "dark") == "@media (min-width:0) { a { b: c } } @media (max-width:0) {}"
    assert in_scheme(STYLE, "light") == "@media (max-width:0) { a { b: c } } @media (min-width:0) {}"
