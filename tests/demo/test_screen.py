import io

from rich.console import Console

from demo.screen import Picture, Sight, open_screen, shortened

ARRIVED = Sight(12, "Anna Lindqvist", "whatsapp", "Hello Anna, the weekend begins on Friday [soon]")
ANSWERED = Sight(12, "Anna Lindqvist", "whatsapp", "See you there", "reply")


def test_without_a_terminal_every_sight_is_a_plain_line() -> None:
    output = io.StringIO()
    with open_screen(Console(file=output, width=200), 60) as screen:
        screen.sight(ARRIVED)
        screen.sight(ANSWERED)
        screen.day(5.2)
        screen.day(6.0)
    assert output.getvalue().splitlines() == [
        "day 12 · Anna Lindqvist · WhatsApp · Hello Anna, the weekend begins on Friday [soon]",
        "day 12 · Anna Lindqvist · WhatsApp · ↳ replied: “See you there”",
        "-- day 5 of 60: email 0, SMS 0, WhatsApp 1, web push 0",
    ]


def test_on_a_terminal_the_picture_shows_the_days_the_counts_and_the_last_lines() -> None:
    picture = Picture(60)
    for _ in range(30):
        picture.sight(ARRIVED)
    picture.sight(ANSWERED)
    picture.day(30)
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(picture)
    text = console.export_text()
    assert "day 30 of 60" in text
    assert "WhatsApp 30" in text
    assert "replied 1" in text
    assert "“See you there”" in text


def test_long_messages_are_one_line() -> None:
    assert shortened("a\nb  c") == "a b c"
    assert len(shortened("word " * 100, 40)) <= 40
