"""``wengert expect``: distributions from the command line, and what is said about the moments."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from wengert.cli.screen import Screen
from wengert.cli.tables import is_number, read_table
from wengert.cli.values import read_values
from wengert.errors import WengertError
from wengert.expectation import (
    ApproximationWarning,
    Comparison,
    Draws,
    Estimate,
    Normal,
    Propagation,
    compare_expectation,
    expectation_of,
    inputs_of,
    propagate,
)
from wengert.explanation import Writer, function_row
from wengert.formulas import Formula, formula

_KINDS = (
    "normal(mean, std), a distribution of scipy.stats with its parameters such as uniform(0, 1) "
    "(loc, scale) or expon(scale=0.5), (value, uncertainty), or draws(FILE)"
)


class Expecting:
    """The moments of a formula, and what is printed about them.

    Parameters
    ----------
    screen : Screen
        Where to.
    text : str
        The formula.
    dists, values : mapping of str to str
        By name, as they were written.
    options : mapping of str to object
        For :func:`wengert.propagate`.
    """

    def __init__(
        self,
        screen: Screen,
        text: str,
        dists: Mapping[str, str],
        values: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        self.screen = screen
        self.random = {name: read_distribution(name, spec) for name, spec in dists.items()}
        if not self.random:
            raise WengertError(f"no distribution: add --dist NAME=... ({_KINDS})")
        shapes: dict[str, Any] = {name: np.shape(_mean(d)) for name, d in self.random.items()}
        shapes |= {name: () for name, spec in values.items() if is_number(spec)}
        self.function: Formula = formula(text, shapes)
        others = [v for v in self.function.variables if v.name not in self.random]
        given = read_values(values, others) if others or values else None
        self.constants: dict[str, Any] = {} if given is None else given.arrays
        self.options = dict(options)
        self.specs = {**dists, **values}

    def propagation(self, dof: Mapping[str, float]) -> Propagation:
        """Moments to the order that was asked for."""
        return propagate(
            self.function, self.random, dof=dof, constants=self.constants, **self.options
        )

    def mean_alone(self) -> Estimate:
        """The mean to an order beyond the second."""
        options = self.options
        inputs = inputs_of(self.function, self.random, options["correlations"], self.constants)
        with catch_warnings():  # what it says is in the report
            simplefilter("ignore", ApproximationWarning)
            return expectation_of(inputs, options["order"])

    def comparison(self, samples: int, seed: int) -> Comparison:
        """Other methods beside it."""
        options = {k: v for k, v in self.options.items() if k != "convention"}
        return compare_expectation(
            self.function, self.random, samples=samples, seed=seed, constants=self.constants,
            **options,
        )  # fmt: skip

    def heading(self, found: Propagation | Estimate) -> None:
        """The function, what its variables are, and the moments."""
        self.screen.rows([function_row(self.function, Writer())])
        self.screen.line(f"with {', '.join(f'{n} = {s}' for n, s in self.specs.items())}")
        self.screen.line()
        self.screen.line(str(found))

    def coverage(self, p: Propagation, probability: float) -> None:
        """The expanded uncertainty of each output."""
        found = p.expanded(probability)
        rows = zip(
            p.expansion.labels, *(np.ravel(a) for a in (found.factor, found.uncertainty)),
            *(np.ravel(a) for a in found.interval), strict=True,
        )  # fmt: skip
        for label, k, U, low, high in rows:
            self.screen.line()
            self.screen.line(
                f"{label}: U = {U:.6g} (k = {k:.4g}, {100 * probability:g} %), from {low:.8g} to "
                f"{high:.8g}"
            )

    def budgets(self, p: Propagation) -> None:
        """The budget of each output."""
        for k, label in enumerate(p.expansion.labels):
            self.screen.line()
            if len(p.expansion.labels) > 1:
                self.screen.line(f"budget of {label}")
            self.screen.line(str(p.budget(k)))

    def plot(self, found: Comparison, path: str) -> None:
        """A figure to a file."""
        try:
            found.plot(path)
        except ImportError:
            raise WengertError('figures need matplotlib: pip install "wengert[plot]"') from None
        except (OSError, ValueError) as error:
            raise WengertError(f"--plot {path}: {error}") from None
        self.screen.line()
        self.screen.line(f"figure written to {path}")


# ---------------------------------------------------------------- reading


def read_distribution(name: str, spec: str) -> Any:
    """A distribution as it is written on the command line.

    Raises
    ------
    WengertError
        Naming the option, and what is accepted.

    Examples
    --------
    >>> read_distribution("x", "normal(24, 2)").covariance.variances()
    array([4.])
    >>> float(read_distribution("x", "expon(scale=0.5)").mean())
    0.5
    """
    text = spec.strip()
    if text.startswith("draws(") and text.endswith(")"):
        try:
            table = read_table(Path(text.removeprefix("draws(")[:-1].strip()))
        except OSError as error:
            raise WengertError(f"--dist {name}={spec}: {error.strerror}") from None
        return Draws(table[:, 0] if table.shape[1] == 1 else table)
    try:
        tree = ast.parse(text, mode="eval").body
        if isinstance(tree, ast.Tuple):
            return _pair(ast.literal_eval(tree))
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            args = [ast.literal_eval(a) for a in tree.args]
            named = {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords}
            return _called(tree.func.id, args, named)
    except WengertError as error:
        raise WengertError(f"--dist {name}={spec}: {error}") from None
    except (SyntaxError, TypeError, ValueError):
        pass
    raise WengertError(f"--dist {name}={spec}: write {_KINDS}")


def _pair(given: Any) -> tuple[float, float]:
    if len(given) != 2:
        raise WengertError("a pair is (value, uncertainty)")
    value, std = map(float, given)
    return value, std


def _called(family: str, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    if family in ("normal", "norm"):
        return _normal(*args, **named)
    families = _families()
    known = families.get(family)
    if known is None:
        near = get_close_matches(family, ["normal", *families], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise WengertError(f"scipy.stats has no distribution {family!r}{hint}")
    try:
        frozen: Any = known(*args, **named)
        mean = frozen.mean()
    except TypeError as error:
        raise WengertError(str(error)) from None
    if not np.all(np.isfinite(mean)):
        raise WengertError("its mean is not finite: are the parameters those of scipy.stats?")
    return frozen


def _normal(mean: Any = 0.0, std: Any = 1.0, *, loc: Any = None, scale: Any = None) -> Normal:
    centre = np.asarray(mean if loc is None else loc, float)
    spread = np.asarray(std if scale is None else scale, float)
    if np.any(spread < 0):
        raise WengertError("the standard deviation is negative")
    if spread.shape not in ((), centre.shape):
        raise WengertError("give one standard deviation, or one for each entry of the mean")
    return Normal(centre, spread**2)


def _families() -> dict[str, Any]:
    import scipy.stats  # noqa: PLC0415  (loaded by those who use it)

    kinds = (scipy.stats.rv_continuous, scipy.stats.rv_discrete)
    found: Mapping[str, Any] = vars(scipy.stats)
    return {name: known for name, known in found.items() if isinstance(known, kinds)}


def read_correlations(texts: Sequence[str]) -> dict[tuple[str, str], float]:
    """``V,I=-0.36`` options by pairs.

    Raises
    ------
    WengertError
        For anything else.
    """
    found: dict[tuple[str, str], float] = {}
    for text in texts:
        names, _, number = text.rpartition("=")
        pair = tuple(name.strip() for name in names.split(","))
        if len(pair) != 2 or not is_number(number):
            raise WengertError(f"--corr {text}: write NAME,NAME=NUMBER, as in --corr V,I=-0.36")
        found[pair] = float(number)
    return found


def read_degrees(specs: Mapping[str, str]) -> dict[str, float]:
    """Degrees of freedom by name.

    Raises
    ------
    WengertError
        For what is no number.
    """
    for name, spec in specs.items():
        if not is_number(spec):
            raise WengertError(f"--dof {name}={spec}: write a number, as in --dof {name}=18")
    return {name: float(spec) for name, spec in specs.items()}


def _mean(distribution: Any) -> Any:
    if isinstance(distribution, tuple):
        return 0.0
    mean = distribution.mean
    return mean() if callable(mean) else mean
