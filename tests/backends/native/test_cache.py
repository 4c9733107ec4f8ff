"""Objects on disk: whole or not there, whatever happens to the folder."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wengert.backends.native.cache import ObjectCache, default_folder, key_of

KEY = key_of("a")


def test_what_was_written_is_read(tmp_path: Path):
    cache = ObjectCache(tmp_path / "new")
    assert cache.read(KEY) is None
    cache.write(KEY, b"code")
    assert cache.read(KEY) == b"code"
    assert ObjectCache(tmp_path / "new").read(KEY) == b"code"
    assert cache.read(key_of("b")) is None
    cache.drop(KEY)
    assert cache.read(KEY) is None


def test_keys_tell_texts_apart():
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("abc", "")}) == 4


@pytest.mark.parametrize("place", [0, 5, 20, 41, -1])
def test_a_changed_byte_is_seen_and_the_file_removed(tmp_path: Path, place: int):
    cache = ObjectCache(tmp_path)
    cache.write(KEY, b"some code")
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert cache.read(KEY) is None
    assert not path.exists()


@pytest.mark.parametrize("length", [0, 1, 8, 39, 40, 44])
def test_a_cut_file_is_seen(tmp_path: Path, length: int):
    cache = ObjectCache(tmp_path)
    cache.write(KEY, b"some code")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:length])
    assert cache.read(KEY) is None


def test_an_object_under_another_s_key_is_not_taken(tmp_path: Path):
    cache = ObjectCache(tmp_path)
    cache.write(KEY, b"code")
    (tmp_path / f"{KEY}.o").rename(tmp_path / f"{key_of('b')}.o")
    assert cache.read(key_of("b")) is None


def test_a_folder_that_cannot_be_written_is_as_none(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", None):
        cache = ObjectCache(folder)
        cache.write(KEY, b"code")
        assert cache.read(KEY) is None
        cache.drop(KEY)
        cache.prune()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
def test_what_others_can_write_is_not_run(tmp_path: Path):
    cache = ObjectCache(tmp_path / "open")
    cache.write(KEY, b"code")
    (path,) = (tmp_path / "open").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o666)
    assert cache.read(KEY) is None
    (tmp_path / "open").chmod(0o777)
    cache.write(KEY, b"code")
    assert cache.read(KEY) is None


def test_the_oldest_leave_first(tmp_path: Path):
    cache = ObjectCache(tmp_path, limit=1000)
    for k in range(10):
        cache.write(key_of(str(k)), bytes(60))
        os.utime(tmp_path / f"{key_of(str(k))}.o", (k, k))
    assert cache.read(key_of("0")) is not None  # and so was used today
    (tmp_path / "old.part").write_text("")
    os.utime(tmp_path / "old.part", (1, 1))
    (tmp_path / "new.part").write_text("")
    ObjectCache(tmp_path, limit=500).prune()
    left = {k for k in range(10) if cache.read(key_of(str(k))) is not None}
    assert left == {0, 7, 8, 9}
    assert {p.name for p in tmp_path.glob("*.part")} == {"new.part"}


def test_writers_at_the_same_time(tmp_path: Path):
    stop = time.monotonic() + 0.3

    def work(number: int) -> None:
        cache = ObjectCache(tmp_path)
        while time.monotonic() < stop:
            cache.write(KEY, bytes([number]) * 5000)
            found = cache.read(KEY)
            assert found is not None
            assert len(set(found)) == 1
            assert len(found) == 5000

    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [p.suffix for p in tmp_path.iterdir()] == [".o"]


def test_the_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("WENGERT_CACHE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    for off in ("off", "OFF", " 0 ", "none"):
        monkeypatch.setenv("WENGERT_CACHE", off)
        assert default_folder() is None
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("WENGERT_CACHE")
        else:
            monkeypatch.setenv("WENGERT_CACHE", unset)
        if sys.platform == "linux":
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
            assert default_folder() == tmp_path / "wengert"


def test_processes_share_a_folder(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from importlib.util import *; "
        "s = spec_from_file_location('cache', sys.argv[2]); m = module_from_spec(s); "
        "sys.modules['cache'] = m; s.loader.exec_module(m); "  # without the rest of the library
        "c = m.ObjectCache(Path(sys.argv[1])); keys = [m.key_of(str(k % 7)) for k in range(50)]; "
        "print([c.write(key, bytes(1000)) or len(c.read(key)) for key in keys] == [1000] * 50)"
    )
    source = inspect.getsourcefile(ObjectCache)
    assert source
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), source], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [process.communicate()[0].strip() for process in running] == ["True", "True"]
