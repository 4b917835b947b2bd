"""Numbers of items of a mailbox as mail programs know them: even ones are of what a person wrote, odd ones of what came to them."""

from postroom.messages.items import Key


def number_of(key: Key) -> int:
    """Return the number of an item."""
    return 2 * key.id + (not key.own)


def key_of(number: int) -> Key:
    """Return the item that has a number; any number is one of some item, or of none."""
    return Key(own=number % 2 == 0, id=number // 2)
