"""Archives of files (wire/onlyoffice.md §1b downloadall)."""

import pytest

from postroom.dialects.onlyoffice.zipping import names_within


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["a.txt", "b"], ["a.txt", "b"]),
        (["a.txt", "A.TXT", "a.txt", "a (2).txt"], ["a.txt", "A (2).TXT", "a (3).txt", "a (2) (2).txt"]),
        (["../../etc/passwd", "C:\\x", "..", ""], ["_.._etc_passwd", "C:_x", "file", "file (2)"]),
    ],
)
def test_names_within_an_archive(given: list[str], names: list[str]) -> None:
    """Each is another one, in any case of letters; none leads out of the folder that an archive is opened in."""
    assert names_within(given) == names
