"""A store full of letters, one person with a large mailbox among many others; and how long lists of it take.

Rows are written as ``messages.letters`` does, in bulk. One letter in twenty is important, one in ten unread, one in twenty has a file,
one in a hundred a label; a third of the letters of a person are answers in threads of three.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import insert, text

from benchmarks.measure import percentiles
from benchmarks.place import add_people
from postroom.clock import now
from postroom.directory.values import chunks
from postroom.messages import folders, items, search
from postroom.messages.item_details import Reader, load
from postroom.messages.items import Wanted
from postroom.storage import bulk, tables
from postroom.storage.database import Tx
from postroom.storage.store import Store
