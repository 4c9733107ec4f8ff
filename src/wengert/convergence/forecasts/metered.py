"""What a forecast costs: a problem that counts what is asked of it, in gradients of all data."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from wengert.optimize.matrices import Matrix
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

PRODUCT = 2.0  # gradients that a product with the Hessian costs at most


class Metered(Problem):
    """A problem that counts what is asked of it, in gradients of all data.

    A value, a product with the Hessian and a whole Hessian count as what they take here, relative
    to a gradient: the fastest of each is held against the fastest gradient, so that compiling does
    not count. At most a value counts as one, a product as two, a Hessian as its columns' products.

    Parameters
    ----------
    problem : Problem
        What is asked.
    """

    def __init__(self, problem: Problem) -> None:
        self.__dict__.update(problem.__dict__)
        self.begun = time.perf_counter()
        self._asked: Counter[str] = Counter()
        self._fastest: dict[str, float] = {}
        self._charged = 0.0

    @property
    def cost(self) -> float:
        """In gradients, so far."""
        return self._charged + sum(n * self.price(kind) for kind, n in self._asked.items())

    @property
    def seconds(self) -> float:
        """Since it was made, compiling included."""
        return time.perf_counter() - self.begun

    def price(self, kind: str) -> float:
        """Gradients that a "value", a "gradient", a "product" or a "hessian" costs."""
        most = {"product": PRODUCT, "hessian": PRODUCT * self.space.size}.get(kind, 1.0)
        own, unit = self._fastest.get(kind), self._fastest.get("gradient")
        return most if not own or not unit else min(most, own / unit)

    def charge(self, gradients: float) -> None:
        """What was asked elsewhere."""
        self._charged += gradients

    def charge_seconds(self, seconds: float) -> None:
        """The same, by the time that it took."""
        self._charged += seconds / self._fastest.get("gradient", seconds or 1.0)

    def _timed(self, kind: str, run: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        found = run()
        taken = time.perf_counter() - begun
        self._asked[kind] += 1
        self._fastest[kind] = min(taken, self._fastest.get(kind, taken))
        return found

    def value(self, x: Vector) -> float:
        """As a value."""
        return self._timed("value", lambda: super(Metered, self).value(x))

    def value_and_gradient(self, x: Vector) -> tuple[float, Vector]:
        """As a gradient."""
        return self._timed("gradient", lambda: super(Metered, self).value_and_gradient(x))

    def product(self, x: Vector) -> Callable[[Vector], Vector]:
        """Each as a product."""
        multiply = super().product(x)
        return lambda v: self._timed("product", lambda: multiply(v))

    def hessian(self, x: Vector) -> Any:
        """As a Hessian."""
        return self._timed("hessian", lambda: super(Metered, self).hessian(x))

    def curvature(self, x: Vector, structured: bool) -> Matrix:
        """As a Hessian."""
        if not structured:
            return super().curvature(x, structured)
        return self._timed("hessian", lambda: super(Metered, self).curvature(x, structured))

    def gauss_newton(self, x: Vector, structured: bool) -> Matrix:
        """As a Hessian."""
        return self._timed("hessian", lambda: super(Metered, self).gauss_newton(x, structured))

    def batch_gradient(self, x: Vector, rows: Any) -> Vector:
        """As the share of the rows."""
        before = self.counts.samples
        found = super().batch_gradient(x, rows)
        self.charge((self.counts.samples - before) / self.source.length)
        return found
