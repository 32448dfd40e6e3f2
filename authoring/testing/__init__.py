"""Journey tests as files: given a person and what happens to them, expect these messages at these times."""
