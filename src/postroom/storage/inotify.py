"""The kernel's word that a file in a folder was written: Linux ``inotify(7)``, as much of it as a wake-up needs.

What was written, and how often, is not told: the one who asks goes and looks. So no event is ever parsed, and the kernel
itself merges equal ones that nobody has read yet.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import Final

_MODIFY: Final = 0x2
"""``IN_MODIFY``; for a folder it tells of the files directly in it, also of those that are made later."""

_BUFFER: Final = 64 * 1024


class FolderWatch:
    """Turns readable (``fileno``) when a file directly in a folder was written since the last ``drain``."""

    def __init__(self, folder: Path) -> None:
        """Watch ``folder``. Raises ``OSError``: no such folder, no more watches (ENOSPC) or files (EMFILE), not Linux (ENOSYS)."""
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, "inotify is there on Linux only")
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = _checked(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            _checked(library.inotify_add_watch(self._descriptor, os.fsencode(folder), _MODIFY))
        except OSError:
            os.close(self._descriptor)
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._descriptor

    def drain(self) -> None:
        """Forget what was written so far."""
        try:
            while len(os.read(self._descriptor, _BUFFER)) > _BUFFER // 2:
                pass  # a shorter answer was the rest of the queue
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Watch no more."""
        os.close(self._descriptor)


def _checked(result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
