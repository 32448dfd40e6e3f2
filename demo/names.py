"""What the people and dogs of the demo are called."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    """
    Anna Tomasz Priya Oliver Mei Fatima Jonas Clara Samuel Ines Kofi Hannah Luca Amara Henrik Sofia Daniel Leila Marcus Yuki
    Beatrice Arjun Freya Mateo Grace Elias Nadia William Chiara Omar Ruth Pavel Esther Theo Zainab Joseph Astrid Diego Alice
    Ravi Margot Felix Ama Nils Rosa Hugo Ingrid Peter Noor George
    """
)
LAST_NAMES = _words(
    """
    Lindqvist Kowalski Sharma Bennett Chen Haddad Brandt Moreau Okafor Costa Mensah Fischer Rossi Diallo Nygaard Alvarez Wright
    Rahimi Hughes Tanaka Clarke Patel Olsen Garcia Murphy Weiss Novak Taylor Bianchi Farouk Goldberg Dvorak Adeyemi Laurent
    Siddiqui Walsh Holm Ortega Fraser Iyer
    """
)
DOG_NAMES = _words(
    """
    Biscuit Luna Otto Maple Ziggy Pepper Rolo Hazel Monty Poppy Bruno Olive Scout Clementine Ghost Nacho Willow Figaro Teddy
    Juno Bramble Archie Fern Pickle Marlow Dotty Rufus Cocoa Wilma Basil
    """
)
BREEDS = (
    ("Labrador", 29.0),
    ("Border collie", 18.0),
    ("Dachshund", 8.0),
    ("Whippet", 13.0),
    ("Cocker spaniel", 13.5),
    ("Miniature schnauzer", 7.0),
    ("Golden retriever", 30.0),
    ("Beagle", 11.0),
    ("Jack Russell", 6.5),
    ("Standard poodle", 24.0),
    ("Greyhound", 31.0),
    ("Mixed breed", 16.0),
)
"""Each with the weight of a grown dog, kg."""
