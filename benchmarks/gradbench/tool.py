"""The tool that GradBench runs: one message a line comes in, one response a line goes out.

``python benchmarks/gradbench/tool.py`` takes part in GradBench's protocol on its standard input and
output; the README beside this file says how GradBench and ``compare.py`` start it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

for _name in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_name}_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))

EVALS = ("gmm", "hello", "kmeans", "llsq", "lse", "lstm", "ode")


def respond(message: dict[str, Any]) -> dict[str, Any]:
    """The response to a message.

    A failure is part of it; what is not known is not defined, as the protocol has it.
    """
    response = {"id": message["id"]}
    match message["kind"]:
        case "start":
            return response | {"tool": "wengert"}
        case "define":
            return response | _tried(_functions, message["module"], kept=False)
        case "evaluate":
            return response | _tried(_evaluated, message)
    return response


def _functions(module: str) -> Any:
    if module not in EVALS:
        raise NotImplementedError(f"there is no eval {module!r} here; there are {', '.join(EVALS)}")
    return importlib.import_module(f"evals.{module}").FUNCTIONS


def _evaluated(message: dict[str, Any]) -> dict[str, Any]:
    return _functions(message["module"])[message["function"]](message["input"])


def _tried(function: Any, *arguments: Any, kept: bool = True) -> dict[str, Any]:
    try:
        found = function(*arguments)
    except Exception:
        return {"success": False, "error": traceback.format_exc()}
    return found if kept else {"success": True}


def serve(lines: Iterable[str]) -> Iterator[str]:
    """A response for each message."""
    for line in lines:
        yield json.dumps(respond(json.loads(line)))


if __name__ == "__main__":
    for _response in serve(sys.stdin):
        print(_response, flush=True)
