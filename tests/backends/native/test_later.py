"""Work in the background: its steps, failures, forks, and the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from wengert.backends.native.later import Worker


def test_tasks_run_in_their_order_and_the_thread_ends():
    own, seen = Worker(), list[str]()

    def task(name: str) -> Iterator[None]:
        for k in range(3):
            assert threading.current_thread() is not threading.main_thread()
            seen.append(f"{name}{k}")
            yield

    for _ in range(2):
        own.do(task("a"))
        own.do(task("b"))
        own.finish()
        assert seen == ["a0", "a1", "a2", "b0", "b1", "b2"]
        seen.clear()
    own.finish()  # nothing to wait for


def test_a_task_that_fails_leaves_the_others():
    own, seen = Worker(), list[int]()

    def failing() -> Iterator[None]:
        yield
        raise ValueError("no")

    def fine() -> Iterator[None]:
        seen.append(1)
        yield

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        own.do(failing())
        own.do(fine())
        own.finish()
    assert seen == [1]
    assert ["no" in str(w.message) for w in found] == [True]


def test_a_task_that_fails_where_warnings_are_errors_leaves_the_others():
    own, seen = Worker(), list[int]()

    def failing() -> Iterator[None]:
        raise ValueError("no")
        yield

    def fine() -> Iterator[None]:
        seen.append(1)
        yield

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.do(failing())
        own.do(fine())
        own.finish()
    assert seen == [1]


def test_where_no_thread_can_be_made_tasks_are_left(monkeypatch: pytest.MonkeyPatch):
    own, seen = Worker(), list[int]()

    def task() -> Iterator[None]:
        seen.append(1)
        yield

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        own.do(task())
        own.finish()
    assert not seen
    own.do(task())
    own.finish()
    assert seen == [1]


def test_the_end_waits_for_a_step_at_most():
    own, steps = Worker(), list[int]()
    begun = threading.Event()

    def task() -> Iterator[None]:
        for k in range(1000):
            begun.set()
            time.sleep(0.02)
            steps.append(k)
            yield

    own.do(task())
    begun.wait()
    own.end()
    assert len(steps) <= 2
    own.do(task())
    own.finish()
    assert len(steps) <= 2


PROCESS = """
import os, time
import numpy as np
import wengert as wg
from wengert.backends.native import callables, later
from wengert.backends.native.engine import Engine

callables.LONG = 100
compiled = Engine.compiled

def slow(self, text, *, quick=False):
    time.sleep(0 if quick else 0.1)
    return compiled(self, text, quick=quick)

Engine.compiled = slow

def program(x):
    for k in range(120):
        x = np.sin(x) * (1 + 1 / (k + 2))
    return x

def often(function):
    value = function(0.5)
    for _ in range(600):
        assert function(0.5) == value
    assert later.worker()._thread is not None
    return value

fast = wg.compile(program, engine="native")
value = often(fast)
if hasattr(os, "fork"):
    child = os.fork()
    if child == 0:
        other = wg.compile(lambda x: program(x) + 1.0, engine="native")
        assert other(0.5) == 1 + value and fast(0.5) == value
        later.worker().finish()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
later.worker().finish()
assert fast(0.5) == value
assert len(fast._entries.popitem()[1][0].running.function.__self__.code.libraries) == 2
often(wg.compile(lambda x: program(x) - 1.0, engine="native"))  # the process ends in between
"""


def test_code_is_renewed_and_processes_fork_and_end_meanwhile():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROCESS],
        env={**os.environ, "WENGERT_CACHE": "off", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, timeout=120, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
