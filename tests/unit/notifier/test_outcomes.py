from services.notifier.outcomes import MAX_WORDS, provider_words

TOKEN = "2" + "aB3dE6gH9j" * 4


def test_words_of_a_provider_never_carry_the_link_that_it_quotes() -> None:
    for answer in (
        f"5.7.1 blocked: https://login.example.com/l/{TOKEN} is listed",
        f"5.7.1 blocked: login.example.com/l/{TOKEN}",
        f"5.7.1 blocked: {TOKEN}",
    ):
        assert TOKEN not in provider_words(answer)
        assert provider_words(answer).startswith("5.7.1 blocked: ")


def test_words_of_a_provider_are_one_short_line() -> None:
    words = provider_words("2.0.0 Ok:\r\nqueued as\x00 4F7A\udcff " + "x " * 500)
    assert words.startswith("2.0.0 Ok: queued as 4F7A")
    assert words.isprintable()
    assert len(words) == MAX_WORDS
