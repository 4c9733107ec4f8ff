"""Object code that is kept on disk, so that what was compiled once is only loaded.

``WENGERT_CACHE`` is the folder, or ``off``. By default it is ``wengert`` in the user's folder for
caches. Nothing here raises: a folder that cannot be written, or a file that is not whole, means
that the code is compiled again.

What is loaded is run. A folder or file that others may write is therefore not used.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT = 256 * 2**20  # bytes
_MAGIC = b"wengert1"
_DIGEST = 32  # bytes of SHA-256
_OFF = {"off", "0", "none", "no", "false"}
_DAY = 86400.0
_LEFT_OVER = 3600.0  # seconds after which a file that was never finished is removed


def default_folder() -> Path | None:
    """Where objects are kept; None if they are not."""
    given = os.environ.get("WENGERT_CACHE")
    if given is not None and given.strip().lower() in _OFF:
        return None
    if given:
        return Path(given).expanduser()
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # there is no home
        return None
    return base / "wengert"


def _private(status: os.stat_result) -> bool:
    """Can nobody else write it?"""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@dataclass
class ObjectCache:
    """Bytes by key, in one folder, at most ``limit`` of them; the oldest leave first.

    Any number of processes and threads may use a folder at the same time: files are written
    beside their place and moved to it whole.
    """

    folder: Path | None
    limit: int = LIMIT

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{key}.o"

    def read(self, key: str) -> bytes | None:
        """What was kept under the key; None if there is nothing, or it is not whole."""
        path = self._path(key)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read() if _private(status) else b""
        except OSError:
            return None
        head, data = content[: len(_MAGIC) + _DIGEST], content[len(_MAGIC) + _DIGEST :]
        if head != _MAGIC + self._digest(key, data):
            self.drop(key)
            return None
        if time.time() - status.st_mtime > _DAY:
            with suppress(OSError):
                os.utime(path)
        return data

    def write(self, key: str, data: bytes) -> None:
        """Keep bytes under a key, if the folder can be written."""
        path = self._path(key)
        if path is None or self.folder is None:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _private(self.folder.stat()):
                return
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        except OSError:
            return
        digest = self._digest(key, data)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + digest + data)
            Path(name).replace(path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            return
        if digest[0] == 0:  # one time in 256, as looking through the folder takes long
            self.prune()

    def drop(self, key: str) -> None:
        """Forget what was kept under a key."""
        path = self._path(key)
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def prune(self) -> None:
        """Remove the objects that were not used for longest, down to four fifths of the limit."""
        if self.folder is None:
            return
        found: list[tuple[float, int, str]] = []
        now = time.time()
        with suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat()
                    if entry.name.endswith(".o"):
                        found.append((status.st_mtime, status.st_size, entry.path))
                    elif entry.name.endswith(".part") and now - status.st_mtime > _LEFT_OVER:
                        Path(entry.path).unlink()
        total = sum(size for _, size, _ in found)
        if total <= self.limit:
            return
        for _, size, path in sorted(found):
            if total <= 0.8 * self.limit:
                break
            with suppress(OSError):
                Path(path).unlink()
                total -= size

    @staticmethod
    def _digest(key: str, data: bytes) -> bytes:
        return hashlib.sha256(key.encode() + b"\0" + data).digest()


def key_of(*parts: str) -> str:
    """The key of what is made from these texts alone."""
    whole = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        whole.update(len(encoded).to_bytes(8, "little"))
        whole.update(encoded)
    return whole.hexdigest()
