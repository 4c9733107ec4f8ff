"""GradBench's evals with our tool and its own ones, side by side.

``python benchmarks/gradbench/compare.py CHECKOUT [evals]`` needs a checkout of GradBench, prepared
as the README beside this file says. GradBench's eval sends its messages as ever and validates what
our tool answers; each message goes to all tools in turn. Printed are medians of the runs after the
first in microseconds (``--least``: the quickest, for a machine with other work), the first run in
milliseconds, and the largest difference of our result from the hand-written C++ tool's, relative to
that one's largest entry; then ratios, and for each eval what GradBench scores by: the sum over all
lines of the mean of all runs, the first one included. One thread each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OURS = "wengert"
TOOLS = (OURS, "manual", "codipack", "jax", "pytorch")
NATIVE = ("manual", "codipack")  # the faster one is the peer: neither is the faster one throughout
CLOSED = "ode gradient"  # the hand-written one is a closed form of the exact solution, not derived

# The sizes, as options of GradBench's evals.
CASES: dict[str, list[list[str]]] = {
    "hello": [[]],
    "llsq": [["-n", "16", "256", "4096", "16392"]],
    "lse": [["-n", "2500", "20000", "160000", "640000", "1280000"]],
    "ode": [["-n", "1000", "10000", "-s", "1", "10", "100"]],
    "gmm": [
        ["-d", "2", "10", "32", "-k", "5", "50"],
        ["-d", "64", "-k", "25"],
        ["-d", "10", "-k", "25", "-n", "10000"],
    ],
    "kmeans": [["-k", "10", "100", "1000", "-n", "1000", "10000", "-d", "8"]],
    "lstm": [["-l", "2", "4", "-c", "1024", "4096"]],
}

THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
THREADS["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
THREADS["JAX_PLATFORMS"] = "cpu"


@dataclass(frozen=True)
class Row:
    """A function of an eval at a size: nanoseconds of the runs of each tool, and the checks."""

    name: str
    times: Mapping[str, Sequence[int]]
    valid: bool
    error: float
    least: bool = False

    def steady(self, tool: str) -> float | None:
        """Microseconds: the median (the least) of the runs after the first."""
        times = self.times.get(tool, ())
        chosen = min if self.least else statistics.median
        return chosen(times[1:] or times) / 1e3 if times else None

    def mean(self, tool: str) -> float | None:
        """Seconds: the mean of all runs."""
        times = self.times.get(tool, ())
        return statistics.mean(times) / 1e9 if times else None

    def first(self, tool: str) -> float | None:
        """Milliseconds of the first run."""
        times = self.times.get(tool, ())
        return times[0] / 1e6 if times else None


# ---------------------------------------------------------------- processes


class Process:
    """An eval or a tool, which writes and reads lines."""

    def __init__(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **THREADS, **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def read(self) -> Any:
        """The next line; None at the end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def write(self, message: Any) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Close its input, and wait."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def tool(name: str, checkout: Path) -> Process:
    """A tool of this name."""
    if name != OURS:
        return Process([sys.executable, str(HERE / "peers.py"), str(checkout), name], HERE, {})
    return Process([sys.executable, str(HERE / "tool.py")], HERE, {})


def rows(checkout: Path, name: str, options: Sequence[str], tools: Sequence[str]) -> Iterator[Row]:
    """What an eval asks for, of all tools in turn."""
    path = checkout / "python" / "gradbench"
    script = path / "gradbench" / "evals" / name / "run.py"
    asked = Process(
        [sys.executable, str(script), *options],
        checkout,
        {"PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])},
    )
    running = {t: tool(t, checkout) for t in tools}
    done: dict[int, tuple[str, dict[str, Any]]] = {}
    while (message := asked.read()) is not None and message["kind"] != "end":
        if message["kind"] == "analysis":
            asked.write({"id": message["id"]})
            label, answers = done[message["of"]]
            if message.get("error"):
                print(message["error"], file=sys.stderr)
            yield _row(label, answers, valid=message["valid"])
            continue
        answers = {}
        for t, process in running.items():
            process.write(message)
            answers[t] = process.read()
        for t, answer in answers.items():
            if answer.get("success") is False:
                print(f"{t}, {name}: {answer['error'].splitlines()[-1]}", file=sys.stderr)
                if message["kind"] == "define":
                    running.pop(t).end()
        if message["kind"] == "evaluate":
            described = message.get("description", message["input"])
            done[message["id"]] = f"{name} {message['function']} {described}", answers
        asked.write(answers[OURS])
    for process in (asked, *running.values()):
        process.end()


def _row(label: str, answers: Mapping[str, Any], *, valid: bool) -> Row:
    times = {
        t: [one["nanoseconds"] for one in a["timings"] if one["name"] == "evaluate"]
        for t, a in answers.items()
        if a.get("success")
    }
    error = math.nan
    if "manual" in times:
        error = difference(answers[OURS]["output"], answers["manual"]["output"])
    return Row(label, times, valid, error)


def difference(found: Any, expected: Any) -> float:
    """The largest difference relative to the largest expected entry."""
    ours, theirs = list(_numbers(found)), list(_numbers(expected))
    largest = max((abs(x) for x in theirs), default=0.0)
    if len(ours) != len(theirs):
        return math.inf
    most = max((abs(x - y) for x, y in zip(ours, theirs, strict=True)), default=0.0)
    return most / largest if largest else most


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _numbers(value[key])
    elif isinstance(value, list):
        for entry in value:
            yield from _numbers(entry)
    else:
        yield float(value)


# ---------------------------------------------------------------- the table


def show(found: Row, tools: Sequence[str]) -> None:
    """Print a line."""
    steady = "".join(_column(found.steady(t), 11) for t in tools)
    first = "".join(_column(found.first(t), 9) for t in tools)
    ok = "yes" if found.valid else "NO"
    print(f"{found.name:38}{steady} |{first} |{ok:>4}{found.error:9.0e}", flush=True)


def _column(value: float | None, width: int) -> str:
    return f"{value:{width},.1f}" if value is not None else " " * width


def summary(found: Sequence[Row], tools: Sequence[str]) -> None:
    """Print geometric means of the others' times over ours, and where another one is ahead."""
    peers: dict[str, tuple[str, ...]] = {t: (t,) for t in tools if t not in (OURS, *NATIVE)}
    peers["faster of C++"] = NATIVE
    for when in ("steady", "first"):
        for name, group in peers.items():
            ratios: dict[str, float] = {}
            for row in found:
                theirs = [row_time(row, when, t) for t in group if _counts(row, t)]
                ours = row_time(row, when, OURS)
                if ours is not None and (known := [t for t in theirs if t is not None]):
                    ratios[row.name] = min(known) / ours
            if not ratios:
                continue
            mean = math.exp(statistics.mean(map(math.log, ratios.values())))
            ahead = {label: ratio for label, ratio in ratios.items() if ratio < 1}
            print(f"{when}: {name} / {OURS}, geometric mean of {len(ratios)}: {mean:.2f}", end="")
            print(f"; ahead of {OURS} in {len(ahead)}")
            for label, ratio in ahead.items() if when == "steady" else ():
                print(f"    {label:38}{ratio:8.2f}")


def row_time(row: Row, when: str, tool: str) -> float | None:
    """One of a row's times."""
    return row.steady(tool) if when == "steady" else row.first(tool)


def _counts(row: Row, tool: str) -> bool:
    return not (tool == "manual" and row.name.startswith(CLOSED))


def scores(found: Sequence[Row], tools: Sequence[str]) -> None:
    """Print the seconds that GradBench scores by (1 over them), for each eval."""
    print(f"{'sum of means, s':38}" + "".join(f"{t:>11}" for t in tools))
    for name in dict.fromkeys(row.name.split()[0] for row in found):
        group = [row for row in found if row.name.split()[0] == name]
        line = f"{name:38}"
        for t in tools:
            means = [row.mean(t) for row in group]
            line += " " * 11 if None in means else f"{sum(m for m in means if m):11.4f}"
        print(line)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path, help="of GradBench")
    parser.add_argument("evals", nargs="*", default=[], help="by default all")
    parser.add_argument("--tools", nargs="+", default=list(TOOLS), help=f"by default {TOOLS}")
    parser.add_argument("--seconds", default="0.5", help="of the runs of one function")
    parser.add_argument("--least", action="store_true", help="the quickest runs, not medians")
    parser.add_argument("--cpu", type=int, help="the only processor to run on")
    chosen = parser.parse_args()
    if chosen.cpu is not None:
        os.sched_setaffinity(0, [chosen.cpu])
    tools = list(dict.fromkeys([OURS, *chosen.tools]))
    heads = "".join(f"{t:>11}" for t in tools) + " |" + "".join(f"{t[:8]:>9}" for t in tools)
    print(f"{'steady µs | first ms':38}{heads} |valid   error")
    found: list[Row] = []
    start = time.perf_counter()
    for name in chosen.evals or CASES:
        for options in CASES[name]:
            runs = [] if name == "hello" else ["--min-seconds", chosen.seconds, "--min-runs", "3"]
            for row in rows(chosen.checkout.resolve(), name, [*options, *runs], tools):
                found.append(replace(row, least=chosen.least))
                show(found[-1], tools)
    print(f"{time.perf_counter() - start:.0f} s")
    summary(found, tools)
    scores(found, tools)


if __name__ == "__main__":
    main()
