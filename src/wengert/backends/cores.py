"""How many threads a call may have.

The environment variable ``WENGERT_THREADS`` says how many where nobody does.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from operator import index
from pathlib import Path
from typing import Any

MOST = 1024  # threads
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds in so many


def threads_named(count: Any) -> int:
    """So many threads; by default what the environment says, else one for each core.

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
            return min(cores(), MOST)
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


@cache
def cores() -> int:
    """How many cores the process may use at once: by its affinity, and a container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with suppress(OSError, ValueError):
        time, period = map(int, _QUOTA.read_text().split())  # "max" where there is no quota
        count = min(count or 1, max(-(-time // period), 1))
    return count or 1
