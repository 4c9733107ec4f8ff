"""How many threads a call may have.

The environment variable ``WENGERT_THREADS`` says how many where nobody does; else those that
other libraries look at, ``OMP_NUM_THREADS`` and ``OPENBLAS_NUM_THREADS``; else it is one for each
core.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from operator import index
from pathlib import Path
from typing import Any

MOST = 1024  # threads
_OTHERS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds in so many


def threads_named(count: Any) -> int:
    """So many threads; by default what the environment says.

    Raises
    ------
    ValueError
        If it is no number from 1 to 1024.

    Examples
    --------
    >>> threads_named(2)
    2
    """
    if count is None:
        given = os.environ.get("WENGERT_THREADS", "").strip()
        if not given:
            return min(_of_others() or cores(), MOST)
        if not given.isdecimal() or not 1 <= int(given) <= MOST:
            raise ValueError(f"WENGERT_THREADS is a number from 1 to {MOST}, not {given!r}")
        return int(given)
    try:
        found = index(count)
    except TypeError:
        raise ValueError(f"threads is a number from 1 to {MOST}, not {count!r}") from None
    if isinstance(count, bool) or not 1 <= found <= MOST:
        raise ValueError(f"threads is a number from 1 to {MOST}, not {count!r}")
    return found


def _of_others() -> int | None:
    """What the environment says to other libraries; None if that is nothing, or no number."""
    for name in _OTHERS:
        given = os.environ.get(name, "").split(",")[0].strip()  # of nested loops, the outer one
        if given.isdecimal() and int(given):
            return int(given)
    return None


@cache
def cores() -> int:
    """How many cores the process may use at once: by its affinity, and a container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with suppress(OSError, ValueError):
        time, period = map(int, _QUOTA.read_text().split())  # "max" where there is no quota
        count = min(count or 1, max(-(-time // period), 1))
    return count or 1
