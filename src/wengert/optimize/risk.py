"""Empirical risks: the mean loss of a model over data, and least squares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optree

from wengert.errors import DomainError, ShapeError, WengertError
from wengert.optimize.files import joined, reader, split
from wengert.optimize.losses import Loss, named_loss
from wengert.optimize.problem import Compiling, Derivatives, Problem
from wengert.optimize.sources import (
    Arrays,
    Rows,
    Stream,
    as_rows,
    check_finite,
    count_rows,
    length_checked,
    remade,
)
from wengert.optimize.space import Tree
from wengert.transforms import gauss_newton, gradient_moments, hessian, jacobian, vmap

Function = Callable[..., Any]

_MOST_CLASSES = 10**7  # entries of class numbers in rows of 0 and 1


@dataclass(frozen=True, eq=False)
class EmpiricalRisk:
    """The mean loss of a model over data, (1/n) Σ ℓ(f_θ(xᵢ), yᵢ), plus a regulariser.

    Parameters
    ----------
    loss : str or callable
        ``loss(predictions, targets)`` gives one number for each row. By name: ``"squared"`` (half
        of the squared distance), ``"huber"``, ``"logistic"`` (of the logit, labels 0 and 1 or −1
        and 1), ``"hinge"`` (same labels), ``"softmax"`` (of a row of logits, labels 0, 1, 2, ...),
        ``"poisson"`` (of the logarithm of the mean). Without targets it takes predictions alone.
    predict : callable
        ``predict(theta, x)``, the predictions for x, rows first. It may be a pytree's method.
    data : tuple, dict, path, iterable or callable
        ``(x, y)``, arrays or pytrees of arrays whose first axis is the row; x alone, in a tuple; a
        dict of arrays of which ``target`` is y; a path to an ``.npz``, ``.csv`` or ``.parquet``
        file; a list of batches ``(x, y)``, or a function that makes a new iterator of batches.
    regularizer : float or callable, optional
        λ for λ/2 ‖θ‖² of all parameters, or a function of theta.
    target : str, optional
        The name of y in a dict or a file; ``"y"`` by default, if there is one.
    chunk : int, optional
        How many rows are taken at a time: a pass over a file holds so many in memory. All by
        default, but for batches, which are passed over one by one.
    per_sample : bool
        ``predict`` (and ``loss``, if it is a function) are of one row instead of many.

    Raises
    ------
    DomainError
        Without rows; for a row with NaN, or a label outside of the loss's domain, naming it.
    ShapeError
        For arrays of different lengths.

    Examples
    --------
    >>> x, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
    >>> risk = EmpiricalRisk("squared", lambda theta, x: x @ theta["w"] + theta["b"], (x, y))
    >>> risk.value({"w": np.zeros(1), "b": 0.0})
    5.833333333333333
    >>> risk.gradient({"w": np.zeros(1), "b": 0.0})
    {'w': array([-4.33333333]), 'b': np.float64(-3.0)}
    """

    loss: str | Function
    predict: Function
    data: Any
    regularizer: float | Function | None = None
    target: str | None = None
    chunk: int | None = None
    per_sample: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.regularizer, int | float) and not 0 <= self.regularizer < np.inf:
            raise ValueError(f"regularizer must be 0 or more; got {self.regularizer}")
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"chunk must be 1 row or more; got {self.chunk}")
        assert self.source  # errors about the data come now, not in the first step

    # ------------------------------------------------------------ data

    @cached_property
    def named(self) -> Loss | None:
        """The loss, if it was given by name."""
        return named_loss(self.loss) if isinstance(self.loss, str) else None

    @cached_property
    def source(self) -> Any:
        """The rows of the data, with targets as the loss takes them."""
        prepare = _Preparing(self.named)
        data = self.data
        if isinstance(data, str | Path):
            make = reader(Path(data), self.target, self.chunk)
            if self.chunk is not None:
                return length_checked(Stream(make, prepare))
            parts = list(make())
            if not parts:
                raise DomainError(f"{data} has no rows: there is no risk to minimise")
            data = parts[0] if len(parts) == 1 else joined(parts)
        elif isinstance(data, Mapping):
            given: Any = data
            data = split(given, self.target)
        elif not (isinstance(data, tuple) or hasattr(data, "shape")):
            return length_checked(Stream(remade(data), prepare))
        return length_checked(Arrays(prepare(as_rows(data), 0), self.chunk))

    @property
    def samples(self) -> int:
        """The number of rows."""
        return self.source.length

    # ------------------------------------------------------------ functions of theta and rows

    @cached_property
    def predictions_of(self) -> Function:
        """``(theta, x)``: the predictions for rows."""
        return vmap(self.predict, in_axes=(None, 0)) if self.per_sample else self.predict

    @cached_property
    def losses_of(self) -> Function:
        """``(predictions, *targets)``: a number for each row."""
        if self.named is not None:
            return self.named.function
        given: Any = self.loss
        return vmap(given) if self.per_sample else given

    def losses(self, theta: Tree, x: Any, *targets: Any) -> Any:
        """The losses of rows, without the regulariser.

        Raises
        ------
        ShapeError
            Unless there is one number for each row.
        """
        found = self.losses_of(self.predictions_of(theta, x), *targets)
        rows = optree.tree_leaves(x)[0].shape[0]
        if np.shape(found) != (rows,):
            raise ShapeError(
                f"the loss gives an array of shape {np.shape(found)} for {rows} rows; it must give "
                "one number for each row, and no sum or mean (per_sample=True is for functions of "
                "one row)"
            )
        return found

    def penalty(self, theta: Tree) -> Any:
        """The regulariser."""
        if self.regularizer is None:
            return 0.0
        if callable(self.regularizer):
            return self.regularizer(theta)
        return 0.5 * self.regularizer * sum(np.sum(leaf**2) for leaf in optree.tree_leaves(theta))

    def mean(self, theta: Tree, x: Any, *targets: Any) -> Any:
        """The risk of some rows: their mean loss plus the regulariser."""
        found = self.losses(theta, x, *targets)
        return np.sum(found) / found.shape[0] + self.penalty(theta)

    @cached_property
    def derivatives(self) -> Derivatives:
        """Of :meth:`mean`."""
        return Derivatives(self.mean, self._square)

    def _square(self, structured: bool) -> Function:
        """The generalised Gauss-Newton matrix, Jᵀ ∇²ℓ J, with the regulariser's Hessian."""

        def run(theta: Tree, x: Any, *targets: Any) -> Any:
            rows = optree.tree_leaves(x)[0].shape[0]
            model = gauss_newton(
                lambda t: self.predictions_of(t, x),
                loss=lambda p: np.sum(self.losses_of(p, *targets)) / rows,
                structured=structured,
            )(theta)
            if self.regularizer is None:
                return model
            rest = hessian(self.penalty, structured=structured)(theta)
            return model + rest if structured else optree.tree_map(np.add, model, rest)

        return run

    # ------------------------------------------------------------ values for a theta

    def problem(self, theta: Tree, seed: int = 0) -> Problem:
        """The risk as a function of vectors, for parameters like these.

        Raises
        ------
        ShapeError, DomainError
            If predictions and targets do not fit.
        """
        classes = self._check_classes(theta)
        problem = Problem(self.derivatives, theta, self.source, seed, self)
        if classes is not None:
            problem.source = self._in_rows(classes, problem.space.dtype)
        return problem

    @cached_property
    def _encoded(self) -> dict[Any, Any]:
        """Sources by number of classes and precision."""
        return {}

    def _in_rows(self, classes: int, dtype: Any) -> Any:
        """The source with class numbers as rows of 0 and 1, which cost less to compute with."""
        source = self.source
        if not isinstance(source, Arrays) or source.length * classes > _MOST_CLASSES:
            return source
        key = classes, dtype
        if key not in self._encoded:
            x, y = source.rows
            rows = np.equal.outer(y, np.arange(classes)).astype(dtype)
            self._encoded[key] = Arrays((x, rows), source.chunk)
        return self._encoded[key]

    def _check_classes(self, theta: Tree) -> int | None:
        """The number of classes, if targets are class numbers: they must be below it."""
        if self.named is None or self.named.name != "softmax":
            return None
        x, y = next(iter(self.source.chunks()))
        if y.ndim == 2:
            return None
        classes = np.shape(self.predictions_of(theta, optree.tree_map(lambda a: a[:1], x)))[-1]
        first = 0
        for _, y in self.source.chunks():
            if y.max() >= classes:
                row = int(np.argmax(y >= classes))
                raise DomainError(
                    f"row {first + row} has the target {y[row]}; predict gives {classes} logits, "
                    f"for the classes 0 to {classes - 1}"
                )
            first += len(y)
        return classes

    def value(self, theta: Tree) -> float:
        """The risk."""
        problem = self.problem(theta)
        return problem.value(problem.space.vector(theta))

    def gradient(self, theta: Tree) -> Tree:
        """Its gradient, a pytree like theta."""
        problem = self.problem(theta)
        return problem.space.tree(problem.value_and_gradient(problem.space.vector(theta))[1])

    def hvp(self, theta: Tree, direction: Tree) -> Tree:
        """Its Hessian times a direction, a pytree like theta."""
        problem = self.problem(theta)
        space = problem.space
        return space.tree(problem.product(space.vector(theta))(space.vector(direction)))

    def hessian(self, theta: Tree) -> Any:
        """Its Hessian as a matrix, in the order of theta's leaves."""
        problem = self.problem(theta)
        return problem.hessian(problem.space.vector(theta))

    @cached_property
    def _predict(self) -> Function:
        return Compiling(self.predictions_of)

    def predictions(self, theta: Tree, x: Any = None) -> Any:
        """Predictions for x, or for the data.

        Parameters
        ----------
        theta : pytree
            The parameters.
        x : pytree of array, optional
            Rows like those of the data.
        """
        if x is not None:
            return self._predict(theta, optree.tree_map(np.asarray, x))
        return np.concatenate([self._predict(theta, rows[0]) for rows in self.source.chunks()])

    # ------------------------------------------------------------ row by row

    @cached_property
    def _by_row(self) -> Function:
        return Compiling(jacobian(self.losses))

    @cached_property
    def _moments(self) -> Function:
        return Compiling(gradient_moments(self.losses))

    def per_sample_gradients(self, theta: Tree, rows: Any = None) -> Tree:
        """The gradient of each row's loss, without the regulariser.

        Parameters
        ----------
        theta : pytree
            The parameters.
        rows : array of int, optional
            Numbers of rows; all by default.

        Returns
        -------
        pytree
            Like theta, with the rows as first axes.
        """
        if rows is not None:
            if not isinstance(self.source, Arrays):
                raise WengertError("rows by number need arrays in memory, without chunks of a file")
            return self._by_row(theta, *self.source.part(np.asarray(rows)))
        parts = [self._by_row(theta, *chunk) for chunk in self.source.chunks()]
        if len(parts) == 1:
            return parts[0]
        return optree.tree_map(lambda *arrays: np.concatenate(arrays), *parts)

    def gradient_noise(self, theta: Tree) -> float:
        """The trace of the covariance of one row's gradient, (1/n) Σ ‖gᵢ − ḡ‖².

        The variance of the gradient of a batch of b rows, drawn with replacement, is this over b.
        """
        total: Any = 0.0
        squares = 0.0
        space = self.problem(theta).space
        for chunk in self.source.chunks():
            first, second = self._moments(theta, *chunk)
            total = total + space.vector(first).astype(float)
            squares += float(np.sum(space.vector(second), dtype=float))
        mean = total / self.samples
        return max(0.0, squares / self.samples - float(mean @ mean))

    def __repr__(self) -> str:
        loss = f'"{self.loss}"' if isinstance(self.loss, str) else _name(self.loss)
        regularizer = self.regularizer
        shown = _name(regularizer) if callable(regularizer) else repr(regularizer)
        return (
            f"<EmpiricalRisk of {self.samples} rows: loss {loss}, predict {_name(self.predict)}, "
            f"regularizer {shown}>"
        )


class _Preparing:
    """Checks rows, and encodes their targets."""

    def __init__(self, loss: Loss | None) -> None:
        self.loss = loss
        self._kinds: set[float] = set()

    def __call__(self, rows: Rows, first: int) -> Rows:
        count_rows(rows)
        check_finite((rows[0],), first)
        if self.loss is None:
            check_finite(rows[1:], first)
            return rows
        if len(rows) == 1:
            raise ShapeError(f"the {self.loss.name} loss needs targets: data=(x, y)")
        if len(optree.tree_leaves(rows[1])) != 1 or not hasattr(rows[1], "dtype"):
            raise ShapeError(f"the {self.loss.name} loss takes targets in one array")
        y = rows[1]
        encoded = self.loss.targets(y, first)
        if self.loss.name in ("logistic", "hinge") and len(y):
            self._kinds.add(float(np.min(y)))
            if {-1.0, 0.0} <= self._kinds:
                raise DomainError(f"the data have labels -1 and 0; {self.loss.domain} are taken")
        return rows[0], encoded


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Half of the squared length of residuals, ½‖r(θ)‖².

    Parameters
    ----------
    residuals : callable
        Of theta; gives an array of any shape, or a pytree of arrays.

    Examples
    --------
    >>> fit = LeastSquares(lambda theta: np.array([1.0, 2.0]) * theta - 1.0)
    >>> float(fit(0.0))
    1.0
    """

    residuals: Function

    def __call__(self, theta: Tree) -> Any:
        """The value."""
        parts = optree.tree_leaves(self.residuals(theta))
        return 0.5 * sum(np.sum(part**2) for part in parts)

    @cached_property
    def derivatives(self) -> Derivatives:
        """Of the value."""
        return Derivatives(
            self, lambda structured: gauss_newton(self.residuals, structured=structured)
        )

    def problem(self, theta: Tree, seed: int = 0) -> Problem:
        """As a function of vectors, for parameters like these."""
        return Problem(self.derivatives, theta, None, seed, self)


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)
