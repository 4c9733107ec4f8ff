"""GradBench's own tools, made comparable: ``python peers.py CHECKOUT TOOL`` speaks its protocol.

The C++ tools are built by their Makefiles and run as they are. The jax tool as shipped does not
wait for its results and solves the ODE in single precision: here results are waited for and all is
float64. It has no LSTM; the one here is written like the shipped one for PyTorch.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

CPP = ("manual", "codipack")
Answer = Callable[[dict[str, Any]], dict[str, Any]]


# ---------------------------------------------------------------- C++


def by_cpp(checkout: Path, tool: str) -> tuple[Answer, Answer]:
    """What defines a module (builds it) and what evaluates one of its functions."""
    os.chdir(checkout)
    cpp: Any = importlib.import_module("gradbench.cpp")

    def define(message: dict[str, Any]) -> dict[str, Any]:
        command = ["make", "-C", f"tools/{tool}", f"bin/{message['module']}"]
        subprocess.run(command, check=True, capture_output=True)
        return {"success": True}

    def evaluate(message: dict[str, Any]) -> dict[str, Any]:
        chosen = {key: message[key] for key in ("module", "function", "input")}
        return cpp.evaluate(tool=tool, **chosen)

    return define, evaluate


# ---------------------------------------------------------------- Python


def by_python(tool: str) -> tuple[Answer, Answer]:
    """The same of a tool that is a Python module for each eval."""
    wrap: Any = importlib.import_module("gradbench.wrap")
    if tool == "jax":
        _wait_for_results(wrap)
        module = types.ModuleType("gradbench.tools.jax.lstm")
        sys.modules[module.__name__] = module
        vars(module).update(_jax_lstm(wrap))
    else:
        importlib.import_module("torch").set_num_threads(1)

    def define(message: dict[str, Any]) -> dict[str, Any]:
        importlib.import_module(f"gradbench.tools.{tool}.{message['module']}")
        return {"success": True}

    def evaluate(message: dict[str, Any]) -> dict[str, Any]:
        module = importlib.import_module(f"gradbench.tools.{tool}.{message['module']}")
        return getattr(module, message["function"]).wrapped(message["input"])

    return define, evaluate


def _wait_for_results(wrap: Any) -> None:
    """What the tool's modules decorate their functions with waits for the last array."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    for name in ("function", "multiple_runs"):
        setattr(wrap, name, _waiting(getattr(wrap, name), jax.block_until_ready))


def _waiting(decorated: Any, wait: Any) -> Any:
    def options(**given: Any) -> Any:
        return lambda function: decorated(**given)(lambda x: wait(function(x)))

    return options


def _jax_lstm(wrap: Any) -> dict[str, Any]:
    jax = importlib.import_module("jax")
    jnp = importlib.import_module("jax.numpy")

    def loss(inputs: Any, fixed: Any) -> Any:
        main, extra = inputs
        state, sequence = fixed
        layers = len(main) // 2

        def step(state: Any, given: Any) -> Any:
            x, gold = given
            x = x * extra[0]
            rows = []
            for k in range(layers):
                hidden, cell = state[2 * k], state[2 * k + 1]
                gates = jnp.concatenate([x, hidden, x, hidden]) * main[2 * k] + main[2 * k + 1]
                forget, enter, out, change = jnp.split(gates, 4)
                cell = cell * jax.nn.sigmoid(forget) + jax.nn.sigmoid(enter) * jnp.tanh(change)
                x = jax.nn.sigmoid(out) * jnp.tanh(cell)
                rows += [x, cell]
            predicted = x * extra[1] + extra[2]
            normalised = predicted - jnp.log(2 + jnp.sum(jnp.exp(predicted)))
            return jnp.stack(rows), jnp.sum(gold * normalised)

        _, losses = jax.lax.scan(step, state, (sequence[:-1], sequence[1:]))
        return -jnp.sum(losses) / sequence[1:].size

    compiled = jax.jit(loss), jax.jit(jax.grad(loss))

    def prepare(given: Any) -> Any:
        part = {key: jnp.array(value) for key, value in given.items() if type(value) is list}
        return (part["main_params"], part["extra_params"]), (part["state"], part["sequence"])

    def joined(parts: Any) -> list[float]:
        return [float(x) for part in parts for x in part.ravel()]

    return {
        "objective": wrap.multiple_runs(pre=prepare, post=float)(lambda g: compiled[0](*g)),
        "jacobian": wrap.multiple_runs(pre=prepare, post=joined)(lambda g: compiled[1](*g)),
    }


# ---------------------------------------------------------------- the protocol


def main(checkout: Path, tool: str) -> None:
    """Answer message for message."""
    define, evaluate = by_cpp(checkout, tool) if tool in CPP else by_python(tool)
    answers = {"start": lambda _: {"tool": tool}, "define": define, "evaluate": evaluate}
    for line in sys.stdin:
        message = json.loads(line)
        answer = answers.get(message["kind"], lambda _: {})
        try:
            found = answer(message)
        except Exception:
            found = {"success": False, "error": traceback.format_exc()}
        print(json.dumps({"id": message["id"]} | found), flush=True)


if __name__ == "__main__":
    _checkout = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(_checkout / "python" / "gradbench"))
    main(_checkout, sys.argv[2])
