"""Work that is done while the program goes on: a thread that ends when there is none.

Work comes in steps, between which it can be left: at the end of the process, which waits for one
step at most, and where the process forks, whose child has no such thread. Steps that release the
GIL let the program run.
"""

from __future__ import annotations

import atexit
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from wengert.backends.once import Once
from wengert.locks import called_in_children, fork_waits, process_lock


class Worker:
    """Takes steps of tasks, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self._tasks: deque[Iterator[None]] = deque()
        self._changed = threading.Condition(process_lock())
        self._step = process_lock()  # held for a step, so that forks wait for its end
        self._thread: threading.Thread | None = None
        self._ended = False

    def do(self, task: Iterator[None]) -> None:
        """Take the steps of a task, after those that were given before."""
        with self._changed:
            if self._ended:
                return
            self._tasks.append(task)
            if self._thread is None:
                self._begin()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="wengert", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads, or the process is about to end
            self._tasks.clear()
        else:
            self._thread = thread

    def finish(self) -> None:
        """Wait until there is no task left."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread is None)

    def end(self) -> None:
        """Leave all tasks; what was begun is waited for."""
        with self._changed:
            self._ended = True
            self._tasks.clear()
        self.finish()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            while fork_waits():
                time.sleep(0.001)
            with self._step:
                done = self._ends_with(task)
            with self._changed:
                if done and self._tasks and self._tasks[0] is task:
                    self._tasks.popleft()

    def _ends_with(self, task: Iterator[None]) -> bool:
        """Take a step; was it the last one?"""
        try:
            return next(task, self) is self
        except Exception as error:  # the thread is for the others too
            with suppress(Warning):  # where warnings are errors
                warnings.warn(f"work that can be left out failed: {error!r}", stacklevel=2)
            return True

    def _next(self) -> Iterator[None] | None:
        with self._changed:
            if self._tasks:
                return self._tasks[0]
            self._thread = None
            self._changed.notify_all()
            return None

    def begin_again(self) -> None:
        """Forget all tasks, in a child of a fork: it has no thread, and they are not its own."""
        self._tasks.clear()
        self._thread = None


@Once
def worker() -> Worker:
    """The one of the process."""
    made = Worker()
    atexit.register(made.end)
    called_in_children(made.begin_again)
    return made
