"""Files made ahead: empty ones, whose names are durable before anything is written into them.

Making a file takes a store longer than filling it: the file system gives out an inode and an entry in a folder, and
both have to reach the disk. A thread does it for many files of one folder together, and whoever has an object only
fills one and waits for its content. Who finds none makes a file of his own.

A file that is empty holds no object. Those that are left when the process ends are removed, those of a process that was
killed are swept a day later; so none is handed out that could be as old.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.model.errors import StoreFault
from gateway.store.incoming_file import CREATE, FILE_MODE, sync_folder

# Made together: the wait for their folder is shared by so many. With fewer than this left, the next are made.
AT_ONCE = 32
LONGEST_WAIT_S = 3600.0
# After a failure, of a full disk for example.
_RETRY_S = 10.0
# A disk that hangs does not keep the node from ending.
_END_S = 2.0
_NAME_BYTES = 16


class FilesAhead:
    """Thread-safe. `root` is the store, `folders` its folders for objects, `has_space` says whether it takes any.

    `has_space` may raise `StoreFault`.
    """

    def __init__(self, root: str, folders: Sequence[str], has_space: Callable[[], bool]) -> None:
        self._root = root
        self._folders = folders
        self._has_space = has_space
        self._ready: deque[tuple[float, str]] = deque()
        self._wanted = threading.Event()
        self._ending = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._not_before = 0.0

    def take(self) -> str:
        """The key of an empty file, which is the caller's now; the empty string when there is none."""
        key = self._next_fresh()
        if len(self._ready) < AT_ONCE and not self._wanted.is_set() and time.monotonic() >= self._not_before:
            self._want()
        return key

    def close(self) -> None:
        """Remove what was not taken."""
        with self._lock:
            self._ending = True
            thread = self._thread
        self._wanted.set()
        if thread is not None:
            thread.join(_END_S)
        with suppress(IndexError):  # an association that outlives the end may take one too
            while True:
                self._remove(self._ready.popleft()[1])

    def _next_fresh(self) -> str:
        with suppress(IndexError):
            while True:
                made_at, key = self._ready.popleft()
                if abs(time.time() - made_at) < LONGEST_WAIT_S:
                    return key
                self._remove(key)
        return ""

    def _want(self) -> None:
        """Have the thread make some; it is started by the first who wants any."""
        self._wanted.set()
        with self._lock:
            if self._thread is None and not self._ending:
                thread = threading.Thread(target=self._run, name="files-ahead", daemon=True)
                try:
                    thread.start()
                    self._thread = thread
                except RuntimeError:  # the machine has no thread left
                    self._failed()

    def _run(self) -> None:
        while not self._ending:
            self._wanted.wait()
            while len(self._ready) < 2 * AT_ONCE and not self._ending:
                if not self._make():
                    self._failed()
                    break
            self._wanted.clear()

    def _failed(self) -> None:
        """Ask again, but not at once."""
        self._not_before = time.monotonic() + _RETRY_S
        self._wanted.clear()

    def _make(self) -> bool:
        """Some more, in a folder picked at random; False when the disk does not take them."""
        folder = secrets.choice(self._folders)
        made: list[str] = []
        try:
            if not self._has_space():
                return False
            for _ in range(AT_ONCE):
                key = f"{folder}/{secrets.token_hex(_NAME_BYTES)}"
                os.close(os.open(f"{self._root}/{key}", CREATE, FILE_MODE))
                made.append(key)
            sync_folder(f"{self._root}/{folder}")
        except (OSError, StoreFault, MemoryError):
            for key in made:
                self._remove(key)
            return False
        now = time.time()
        self._ready.extend((now, key) for key in made)
        return True

    def _remove(self, key: str) -> None:
        with suppress(OSError):
            os.unlink(f"{self._root}/{key}")  # noqa: PTH108
