"""The error vocabulary of the dialect: a status and a sentence, or nothing but the status (wire/schoology.md §3.1)."""


class SchoologyError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, text: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        """What the body says; ``None``: the body is empty."""
