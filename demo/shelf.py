"""What the publisher sells and the evenings and weekends it holds: topics, books, places."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from demo.actions import Properties


@dataclass(frozen=True, slots=True)
class Book:
    """A title on the shelf; `price` in pounds."""

    title: str
    price: float

    @property
    def url(self) -> str:
        """Its page in the shop."""
        slug = "".join(letter if letter.isalnum() else "-" for letter in self.title.lower().replace("'", "")).strip("-")
        return f"https://larkandlantern.example/books/{'-'.join(part for part in slug.split('-') if part)}"

    def as_property(self) -> Properties:
        """As events carry it."""
        return {"title": self.title, "url": self.url, "price": self.price}


@dataclass(frozen=True, slots=True)
class Topic:
    """What an event is about: who hosts it, and the books that fit before and after."""

    key: str
    weekend: str
    host: str
    intro: Book
    advanced: Book
    signed: Book


@dataclass(frozen=True, slots=True)
class Venue:
    """Where an event takes place."""

    name: str
    city: str
    zone: ZoneInfo


TOPICS = (
    Topic(
        "baking", "The Slow Bread Weekend", "Marta Ellery",
        Book("Flour, Water, Patience", 18.0), Book("The Rye Notebook", 24.0), Book("Hearth: Bread from a Wood Fire", 32.0),
    ),
    Topic(
        "gardening", "The Small Garden Weekend", "Idris Penhallow",
        Book("A Garden in Twelve Pots", 16.0), Book("Grafting, Pruning, Waiting", 26.0), Book("The Walled Year", 34.0),
    ),
    Topic(
        "photography", "Three Days of Available Light", "Noriko Vale",
        Book("Look Twice", 19.0), Book("Darkroom at the Kitchen Table", 28.0), Book("Tidelines", 45.0),
    ),
    Topic(
        "poetry", "The Reading Aloud Weekend", "Caspian Doyle",
        Book("Forty Poems to Begin With", 12.0), Book("The Long Line", 20.0), Book("Salt Letters", 28.0),
    ),
    Topic(
        "hillwalking", "The High Paths Weekend", "Morag Sutherland",
        Book("Your First Twenty Hills", 15.0), Book("Winter Ridges", 25.0), Book("The Last Bothy", 30.0),
    ),
    Topic(
        "history", "The Lost Rivers Weekend", "Tobias Achterberg",
        Book("A City Under Your Feet", 17.0), Book("Culverts, Locks and Conduits", 29.0), Book("The River Keeper's Atlas", 38.0),
    ),
)  # fmt: skip
_LONDON = ZoneInfo("Europe/London")
VENUES = (
    Venue("The Reading Room", "London", _LONDON),
    Venue("Harbour Hall", "Bristol", _LONDON),
    Venue("The Old Bindery", "Edinburgh", _LONDON),
    Venue("St Werburgh's", "Dublin", ZoneInfo("Europe/Dublin")),
    Venue("The Paper Mill", "Manchester", _LONDON),
    Venue("Speicher 7", "Hamburg", ZoneInfo("Europe/Berlin")),
)
