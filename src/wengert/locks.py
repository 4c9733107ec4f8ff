"""Locks that a fork waits for.

A child has the thread that forked, and no other: a lock that another one held at that moment is
never given back there, and what it was for may be half done. So a fork takes all of these locks
first, and both processes give them back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import RLock
from typing import Any, Protocol, cast
from weakref import WeakSet

__all__ = ["Lock", "called_in_children", "fork_waits", "process_lock", "waited_for"]


class Lock(Protocol):
    """What can be taken and given back."""

    def acquire(self, blocking: bool = True) -> bool:
        """Take it; False if that would mean to wait and ``blocking`` is False."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class _Forks:
    """What is held while the process forks."""

    def __init__(self) -> None:
        self.locks: WeakSet[Any] = WeakSet()
        self.children: list[Callable[[], None]] = []
        self.waiting = False
        self._held: list[Lock] = []

    def before(self) -> None:
        """Take every lock."""
        self.waiting = True
        try:
            self._held = taken_together(list(self.locks))
        finally:
            self.waiting = False

    def after(self) -> None:
        """Give every lock back."""
        while self._held:
            self._held.pop().release()

    def after_in_child(self) -> None:
        """The same where no other thread goes on."""
        _renew_locks_of_properties()
        for call in self.children:
            call()
        self.after()


_FORKS = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_FORKS.before,
        after_in_parent=_FORKS.after,
        after_in_child=_FORKS.after_in_child,
    )


def process_lock() -> Any:
    """A lock that its own thread may take again, and that a fork waits for.

    Examples
    --------
    >>> lock = process_lock()
    >>> with lock, lock:
    ...     pass
    """
    return waited_for(RLock())


def waited_for(lock: Any) -> Any:
    """The lock, for which forks wait from now on as long as it lives.

    Its own thread must be able to take it again: a signal's handler may fork anywhere.
    """
    _FORKS.locks.add(lock)
    return lock


def fork_waits() -> bool:
    """Does a fork wait for locks? Who takes one over and over should stand back."""
    return _FORKS.waiting


def called_in_children(call: Callable[[], None]) -> None:
    """Call something in every child of a fork, while all locks are held."""
    _FORKS.children.append(call)


def taken_together(locks: Sequence[Lock]) -> list[Lock]:
    """Take locks, whatever the order in which other threads take some of them.

    It waits for one while it has no other, so that nobody who has that one waits for it.
    """
    first = 0
    while True:
        taken: list[Lock] = []
        for k in range(len(locks)):
            at = (first + k) % len(locks)
            if not locks[at].acquire(blocking=not k):
                first = at
                break
            taken.append(locks[at])
        else:
            return taken
        while taken:
            taken.pop().release()


def _renew_locks_of_properties() -> None:
    """Before Python 3.12 a cached property has a lock for all objects, which a thread may hold.

    Nothing is half done there: the value is computed again.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "wengert":
            continue
        for cls in list(vars(module).values()):
            members: list[Any] = list(vars(cls).values()) if isinstance(cls, type) else []
            for member in members:
                if isinstance(member, cached_property) and hasattr(cast("Any", member), "lock"):
                    cast("Any", member).lock = RLock()
