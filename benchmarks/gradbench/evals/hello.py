"""x² and its derivative."""

from typing import Any

from measured import Measured

import wengert as wg


def square(x: Any) -> Any:
    return x * x


def prepare(given: float) -> tuple[float]:
    return (given,)


FUNCTIONS = {
    "square": Measured(wg.compile(square), prepare, float),
    "double": Measured(wg.compile(wg.grad(square)), prepare, float),
}
