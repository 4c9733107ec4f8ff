"""Locks that a fork waits for: taken in any order, and free in the child."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import wengert as wg
from wengert.locks import process_lock, taken_together

SOURCE = str(Path(wg.__file__).parents[1])


def test_locks_are_taken_whatever_the_order_of_others():
    locks = [process_lock() for _ in range(4)]
    done = threading.Event()

    def other_way_round() -> None:
        while not done.is_set():
            with locks[3], locks[1], locks[0]:
                pass

    thread = threading.Thread(target=other_way_round, daemon=True)
    thread.start()
    for _ in range(200):
        for lock in taken_together(locks):
            lock.release()
    done.set()
    thread.join(timeout=30)
    assert not thread.is_alive()


PROCESS = """
import os, signal, threading
import numpy as np
import wengert as wg
from wengert.backends.native.types import Type

stop, begun = threading.Event(), threading.Event()

class Slow(str):
    def __format__(self, spec):
        begun.set()
        stop.wait()
        return ""

def compile_on(k):
    while not stop.is_set():
        k += 1 / 7
        wg.compile(lambda x: np.sum(np.tanh(x * k) @ np.exp(x)), engine="native")(np.ones(3))

threads = [threading.Thread(target=compile_on, args=(100 * k,)) for k in (1, 2)]
threads.append(threading.Thread(target=lambda: Type(Slow("slow"), 2).text))
for thread in threads:
    thread.start()
begun.wait()
x, ended = np.ones(4), []
for n in range(2):
    child = os.fork()
    if not child:
        signal.alarm(15)
        same = Type(f"i{n}", 3).text == f"<3 x i{n}>"
        f = wg.compile(lambda x: np.cos(x) @ x + n, engine="native")
        os._exit(not (same and np.isclose(f(x), np.cos(x) @ x + n)))
    ended.append(os.waitpid(child, 0)[1])
stop.set()
print(ended)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_child_compiles_while_threads_of_its_parent_do():
    """Otherwise each of these children waits for ever, for LLVM's lock or that of a property."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": SOURCE, "WENGERT_CACHE": "off"},
    )  # fmt: skip
    assert done.stdout.strip() == "[0, 0]", done.stderr


def test_the_lock_of_llvm_is_among_them():
    from wengert.backends.native import host

    host.llvm()
    from llvmlite.binding import ffi

    from wengert import locks

    assert ffi.lib._lock._lock in locks._FORKS.locks


@pytest.mark.parametrize("inside", ["give", "take"])
def test_workspaces_are_forgotten_in_the_middle_of_other_work(inside: str):
    """A finalizer may run anywhere, also while its own thread changes what is kept."""
    from wengert.backends.workspaces import Store

    store, gone = Store(100), object()
    finished: list[str] = []

    class Key:
        def __hash__(self) -> int:
            if not finished:
                finished.append("forget")
                store.forget(gone)
            return 1

    def work() -> None:
        store.give(gone, [1], 30)
        owner = Key()
        if inside == "give":
            store.give(owner, [2], 30)
        else:
            assert store.take(owner) is None
        finished.append("done")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert finished == ["forget", "done"]
    assert store.size == (30 if inside == "give" else 0)
