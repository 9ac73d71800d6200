from services.dev.inbox.links import MAX_LINKS, find_links


def test_links_of_text_and_html_come_once_and_in_order() -> None:
    text = "Sign in:\nhttps://a.example/l/k1Abc\n\nHelp: https://a.example/help"
    html = '<p><a href="https://a.example/l/k1Abc">Sign in</a> <a href="https://a.example/x?a=1&amp;b=2">more</a>'
    assert find_links(text, html) == (
        "https://a.example/l/k1Abc",
        "https://a.example/help",
        "https://a.example/x?a=1&b=2",
    )


def test_the_sentence_around_a_link_is_not_part_of_it() -> None:
    text = "See (https://a.example/one). Then https://a.example/w_(b), or <https://a.example/l/abc_>!"
    assert find_links(text, None) == (
        "https://a.example/one",
        "https://a.example/w_(b)",
        "https://a.example/l/abc_",
    )


def test_only_web_links_become_links() -> None:
    html = '<a href="javascript:alert(1)">x</a><a href="data:text/html,x">y</a><a href=" JAVASCRIPT:https://a">z</a><a>n</a>'
    assert find_links("javascript:alert(1) mailto:a@b.example", html) == ()


def test_a_flood_of_links_is_cut() -> None:
    assert len(find_links(" ".join(f"https://a.example/{n}" for n in range(500)), None)) == MAX_LINKS
