"""Random programs through both engines, in processes of their own, for as long as is wanted.

    python benchmarks/fuzz.py [--first 0] [--minutes 10]

Prints every difference with a program that shows it, and what crashed a process or did not end.
The programs and what counts as a difference: tests/backends/native/random_programs.py.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
PROGRAMS = HERE / "tests" / "backends" / "native" / "random_programs.py"
SLOWEST = 300.0  # seconds for one program with its derivatives
BATCH = 100  # programs of one process


def batch(first: int, seconds: float) -> tuple[int, list[dict[str, Any]]]:
    """How many programs a process came through, and what it found."""
    place = os.pathsep.join([str(HERE / "src"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(PROGRAMS), str(first), str(BATCH), str(seconds), "shrink"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": place, "WENGERT_CACHE": "off"},
    )  # fmt: skip
    said: queue.Queue[str | None] = queue.Queue()
    errors: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put(None)

    def listen_to_errors() -> None:
        assert process.stderr is not None
        errors.extend(process.stderr)

    for target in (listen, listen_to_errors):
        threading.Thread(target=target, daemon=True).start()
    found: list[dict[str, Any]] = []
    seed, done = first, False
    while True:
        try:
            line = said.get(timeout=SLOWEST)
        except queue.Empty:
            process.kill()
            found.append({"seed": seed, "wrong": [f"not done after {SLOWEST:.0f} s"]})
            return seed + 1 - first, found
        if line is None:
            break
        told = json.loads(line)
        seed = told.get("seed", seed)
        done = done or "done" in told
        if "wrong" in told:
            found.append(told)
    if not done:
        process.wait()
        told = "".join(errors)[-3000:]
        found.append({"seed": seed, "wrong": [f"process ended with {process.returncode}\n{told}"]})
    return seed + 1 - first, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    end, at, failed = time.monotonic() + 60 * options.minutes, options.first, 0
    while (left := end - time.monotonic()) > 0:
        count, found = batch(at, left)
        for one in found:
            failed += 1
            print(f"--- program {one['seed']}", *one["wrong"], one.get("program", ""), sep="\n")
            sys.stdout.flush()
        at += count
        print(f"programs {options.first} to {at - 1}: {failed} differ", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
