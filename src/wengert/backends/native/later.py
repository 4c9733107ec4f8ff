"""Work that is done while the program goes on: a thread that ends when there is none.

Work comes in steps, between which it can be left: at the end of the process, which waits for one
step at most, and where the process forks, whose child has no such thread. Steps that release the
GIL let the program run.
"""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from wengert.backends.once import Once


class Worker:
    """Takes steps of tasks, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self._tasks: deque[Iterator[None]] = deque()
        self._changed = threading.Condition()
        self._step = threading.Lock()
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

    # ------------------------------------------------ forks

    def before_fork(self) -> None:
        """Wait for the end of a step: it may hold locks that the child would wait for."""
        self._step.acquire()
        self._changed.acquire()

    def after_fork(self, *, child: bool = False) -> None:
        """Go on; a child has no thread, and what it did is not the child's."""
        if child:
            self._tasks.clear()
            self._thread = None
        self._changed.release()
        self._step.release()


@Once
def worker() -> Worker:
    """The one of the process."""
    made = Worker()
    atexit.register(made.end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=made.before_fork,
            after_in_parent=made.after_fork,
            after_in_child=lambda: made.after_fork(child=True),
        )
    return made
