"""How GradBench asks for a function: prepared outside its time, run until there are enough runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class Measured:
    """A function of an eval.

    Attributes
    ----------
    function : callable
        What is measured.
    prepare : callable
        The function's arguments from the eval's input.
    output : callable
        The eval's output from the function's result.
    """

    function: Callable[..., Any]
    prepare: Callable[[Json], tuple[Any, ...]]
    output: Callable[[Any], Json]

    def __call__(self, given: Json) -> dict[str, Json]:
        """The result of the last run and the times of all: ``min_runs`` and ``min_seconds``."""
        wanted: Mapping[str, Any] = given if isinstance(given, dict) else {}
        runs, seconds = wanted.get("min_runs", 1), wanted.get("min_seconds", 0)
        function, arguments = self.function, self.prepare(given)
        times: list[int] = []
        result: Any = None
        while len(times) < runs or sum(times) < 1e9 * seconds:
            start = time.perf_counter_ns()
            result = function(*arguments)
            times.append(time.perf_counter_ns() - start)
        timings = [{"name": "evaluate", "nanoseconds": t} for t in times]
        return {"success": True, "output": self.output(result), "timings": timings}
