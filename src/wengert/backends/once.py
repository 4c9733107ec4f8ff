"""Values that are made once, also where several threads ask for them first."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Generic, TypeVar

from wengert.locks import process_lock

T = TypeVar("T")


class Once(Generic[T]):
    """A function without arguments that runs once; an error is none of its values.

    ``functools.cache`` lets two threads make two values, of which one is dropped while it is
    used: for machine code that is the end of the process.

    Examples
    --------
    >>> @Once
    ... def answer() -> int:
    ...     return 42
    >>> answer()
    42
    """

    def __init__(self, make: Callable[[], T]) -> None:
        update_wrapper(self, make)
        self._make = cache(make)
        self._lock = process_lock()

    def __call__(self) -> T:
        """The value."""
        with self._lock:
            return self._make()

    def cache_clear(self) -> None:
        """Forget the value."""
        self._make.cache_clear()
