"""Whether a function is convex: proven by rules, refuted by three points, or undecided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optree

from wengert.assumptions import Assumption
from wengert.backends.intervals import enclose
from wengert.convergence.convexity.curvature import Calculus
from wengert.convergence.convexity.known import AFFINE, CONSTANT, CONVEX
from wengert.convergence.convexity.negative_curvature import EVERYTHING, Domain, negative_curvature
from wengert.convergence.convexity.on_box import OnBox, convex_on_box
from wengert.convergence.convexity.proof import obstacle, proof_lines
from wengert.convergence.convexity.quadratic_bounds import curvatures
from wengert.convergence.facts import Constant, Convexity
from wengert.errors import ShapeError, TracingError
from wengert.expr import Expr, rebuild
from wengert.formulas import Formula
from wengert.operations import variable
from wengert.operations.intervals import Interval, point
from wengert.operations.rebuild import with_operands
from wengert.optimize import Problem, posed, vector_of
from wengert.optimize.space import Space, Tree, Vector
from wengert.rewrite import recognise
from wengert.transforms.recording import Recorded, record

_MOST_ENCLOSED = 2 * 10**6  # entries of data with which values are enclosed


def convexity(
    f: Any,
    theta: Tree,
    given: Mapping[str, Any] | None = None,
    *,
    box: tuple[Tree, Tree] | None = None,
    seed: int = 0,
) -> Convexity:
    """Whether a function is convex in its parameters, all of them together, and why.

    Parameters
    ----------
    f : str, Formula, callable, EmpiricalRisk or LeastSquares
        As :func:`wengert.minimize` takes it: the text of a formula, a function of one pytree, a
        risk with its data. The signs of data count: they are constants.
    theta : pytree
        Parameters, for their shapes; a refutation is looked for around them.
    given : mapping of str to array_like, optional
        Values of a formula's other variables.
    box : tuple of pytrees, optional
        The lowest and the highest parameters that count: what is not convex everywhere may be so
        there.
    seed : int
        Of the points at which a refutation is looked for.

    Returns
    -------
    Convexity
        Its ``verdict`` is "affine", "convex", "strongly convex", "nonconvex" or "undecided".
        ``proof`` has the rule of each part, or why there is no proof; ``modulus`` and
        ``smoothness`` are the bounds of the Hessian that the proof gives; ``certificate`` is what
        refutes convexity. The verdict is about the points at which f is defined (log x: x > 0).

    Raises
    ------
    ShapeError
        Unless the value is one number.

    Notes
    -----
    A proof is by rules of composition (Grant, Boyd and Ye 2006), by the constant Hessians of
    polynomials of degree 2, by second derivatives enclosed by intervals, and on a box by the
    Hessian's intervals. Eigenvalues are computed in double precision.

    Examples
    --------
    >>> data = {"X": np.array([[1.0, 2.0]]), "y": np.ones(1)}
    >>> print(convexity("norm2(X*w - y)^2", np.zeros(2), data))
    convex
      z = y − Xw: affine in w
      ‖z‖²: convex, a sum of squares of affine functions
    L = 10 (exact: the Hessian's largest eigenvalue)
    >>> found = convexity(lambda x: x[0] * x[1], np.zeros(2))
    >>> found.verdict, round(found.certificate.curvature, 6)
    ('nonconvex', -1.0)
    """
    problem, x = posed(f, theta, given, seed)

    def vector(tree: Tree) -> Vector:
        return vector_of(problem, f, tree, given)

    corners = None if box is None else (vector(box[0]), vector(box[1]))
    return convexity_of(problem, x, box=corners, given=given)


def convexity_of(
    problem: Problem,
    x: Vector,
    *,
    box: tuple[Vector, Vector] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Convexity:
    """What :func:`convexity` says of a problem, with refutations looked for around x.

    Parameters
    ----------
    problem : Problem
        The function and its data; of data in chunks it is proven for each chunk.
    x : ndarray
        Parameters, as a vector.
    box : tuple of ndarray, optional
        The lowest and the highest parameters that count, as vectors.
    given : mapping of str to array_like, optional
        Values of a formula's other variables, for the names that they have in the proof.

    Raises
    ------
    ShapeError
        Unless the value is one number.
    ValueError
        For a box whose lowest point is not below its highest.
    """
    if box is not None and np.any(box[0] > box[1]):
        raise ValueError("a box is its lowest and its highest point, in that order")
    found = [_proven(s, w, box) for w, s in _subjects(problem, x, given)]
    where = "" if box is None else "on the box"
    if all(part.convex for _, part in found):
        return replace(_together(found), where=where)
    weakest = next(part for _, part in found if not part.convex)
    subject = next(s for _, s in _subjects(problem, x, given))
    certificate = negative_curvature(
        problem,
        x,
        seed=problem.seed,
        confirm=subject.confirm if len(found) == 1 else None,
        box=box,
        domain=subject.domain,
    )
    if certificate is not None:
        return Convexity("nonconvex", weakest.proof, certificate=certificate, where=where)
    return replace(weakest, where=where)


# ---------------------------------------------------------------- what is judged


@dataclass(frozen=True, eq=False)
class _Subject:
    """The function of some rows of data, as an expression of named variables."""

    root: Expr
    leaves: tuple[Expr, ...]
    values: Mapping[Expr, Any]
    space: Space
    everywhere: bool

    def confirm(self, a: Vector, m: Vector, b: Vector) -> bool | None:
        """Is f(m) above the mean of f(a) and f(b) for certain? None if intervals cannot tell."""
        if sum(np.size(v) for v in self.values.values()) > _MOST_ENCLOSED or not self.everywhere:
            return None
        low_a, low_m, low_b = (self._enclosed(x) for x in (a, m, b))
        ends = (low_m.lower, low_a.upper, low_b.upper)
        if not all(np.all(np.isfinite(e)) for e in ends):
            return None
        return bool(low_m.lower > low_a.upper / 2 + low_b.upper / 2)

    @property
    def domain(self) -> Domain:
        """Where parameters are, by what is assumed of them."""
        assumed = [leaf.param("assumptions") for leaf in self.leaves]
        if not any(assumed):
            return EVERYTHING

        def project(x: Vector) -> Vector:
            parts = zip(_leaves(self.space, x), assumed, strict=True)
            return np.concatenate([
                np.ravel((a + a.T) / 2 if Assumption.SYMMETRIC in promised else a)
                for a, promised in parts
            ])  # fmt: skip

        def contains(x: Vector) -> bool:
            parts = zip(_leaves(self.space, x), assumed, strict=True)
            return all(_keeps(a, promised) for a, promised in parts)

        return Domain(project, contains)

    def _enclosed(self, x: Vector) -> Interval:
        at = dict(zip(self.leaves, _leaves(self.space, x), strict=True))
        known = {leaf: point(np.asarray(v)) for leaf, v in {**self.values, **at}.items()}
        with np.errstate(all="ignore"):
            return enclose([self.root], known).intervals[0]


def _keeps(array: Any, promised: Any) -> bool:
    if Assumption.POSITIVE in promised and not np.all(array > 0):
        return False
    if Assumption.POSITIVE_DEFINITE in promised:
        return bool(np.linalg.eigvalsh(array)[0] > 0)
    return True


def _leaves(space: Space, x: Vector) -> list[Any]:
    return [
        np.reshape(x[space.starts[k] : space.starts[k + 1]], shape).astype(float)
        for k, shape in enumerate(space.shapes)
    ]


def _subjects(
    problem: Problem, x: Vector, given: Mapping[str, Any] | None
) -> Iterator[tuple[float, _Subject]]:
    """One for each chunk of data, with its share of the rows."""
    theta = problem.space.views(x)
    function = problem.derivatives.function
    total = problem.source.length
    for size, rows in zip(problem.source.sizes, problem.source.chunks(), strict=False):

        def of_rows(t: Tree, rows: Any = rows) -> Any:
            return function(t, *rows)

        names = {**{id(v): k for k, v in (given or {}).items()}, **_names_of_rows(rows)}
        everywhere = True
        try:
            recorded = record(of_rows, (theta,), {}, 0, name="convexity", valued=False)
        except TracingError:
            recorded = record(of_rows, (theta,), {}, 0, name="convexity")
            everywhere = False
        yield size / total, _subject(problem, recorded, everywhere, names)


def _subject(
    problem: Problem, recorded: Recorded, everywhere: bool, names: Mapping[int, str]
) -> _Subject:
    if len(recorded.roots) != 1 or recorded.roots[0].shape != ():
        shapes = ", ".join(str(r.shape) for r in recorded.roots)
        raise ShapeError(
            f"convexity is of a function that gives one number; this one gives {shapes}"
        )
    taken: set[str] = set()
    assumed = _assumptions(problem.origin)
    memo: dict[Expr, Expr] = {}
    for path, leaf in zip(recorded.structure.paths(), recorded.leaves, strict=True):
        own = "_".join(map(str, path)) or "θ"
        memo[leaf] = variable(_free(own, taken), leaf.shape, assumed.get(own, frozenset()))
    leaves = tuple(memo[leaf] for leaf in recorded.leaves)
    values: dict[Expr, Any] = {}
    for array, leaf in recorded.trace.root.captured.values():
        name = _free(names.get(id(array), f"c{len(values)}"), taken)
        memo[leaf] = variable(name, leaf.shape, dtype=leaf.dtype)
        values[memo[leaf]] = recorded.trace.values[leaf]
    root = recognise(rebuild(recorded.roots[0], with_operands, memo))
    return _Subject(root, leaves, values, problem.space, everywhere)


def _assumptions(origin: Any) -> dict[str, frozenset[Assumption]]:
    """What a formula assumes of its variables, by name."""
    if not isinstance(origin, Formula):
        return {}
    left = frozenset({Assumption.DIAGONAL, Assumption.ORTHOGONAL})
    return {v.name: v.assumptions - left for v in origin.variables}


def _names_of_rows(rows: Any) -> dict[int, str]:
    """Names of the data: X for a matrix of inputs, y for targets."""
    found: dict[int, str] = {}
    for k, part in enumerate(rows):
        leaves = optree.tree_leaves(part)
        for leaf in leaves:
            name = ("X" if np.ndim(leaf) == 2 else "x") if k == 0 else "y"
            found[id(leaf)] = name
    return found


def _free(stem: str, taken: set[str]) -> str:
    name, number = stem, 0
    while name in taken:
        name, number = f"{stem}{number}", number + 1
    taken.add(name)
    return name


# ---------------------------------------------------------------- proofs


def _proven(
    subject: _Subject, weight: float, box: tuple[Vector, Vector] | None
) -> tuple[float, Convexity]:
    """What rules prove of the function of some rows."""
    ranges: dict[Expr, Interval] = {}
    if box is not None:
        ends = zip(*(_leaves(subject.space, corner) for corner in box), strict=True)
        ranges = {leaf: Interval(*pair) for leaf, pair in zip(subject.leaves, ends, strict=True)}
    if not subject.everywhere:
        why = "the function decides by values in Python (if, while): another branch may differ"
        return weight, Convexity("undecided", (why,))
    calculus = Calculus(subject.root, subject.leaves, subject.values, ranges)
    bend = calculus.known[subject.root].bend
    if bend in (CONSTANT, AFFINE):
        return weight, Convexity("affine", proof_lines(calculus))
    if bend == CONVEX:
        return weight, _with_range(calculus)
    if box is not None:
        found = convex_on_box(subject.root, subject.leaves, subject.values, ranges)
        if found is not None:
            return weight, _on_box(found)
    return weight, Convexity("undecided", (*obstacle(calculus),))


def _with_range(calculus: Calculus) -> Convexity:
    found = curvatures(calculus)
    verdict = "convex" if found.modulus is None else "strongly convex"
    return Convexity(verdict, proof_lines(calculus), found.modulus, smoothness=found.smoothness)


def _on_box(found: OnBox) -> Convexity:
    boxes = "the box" if found.boxes == 1 else f"{found.boxes} boxes"
    how = f"the Hessian's eigenvalues, enclosed on {boxes}"
    modulus = None
    if found.least > 0:
        modulus = Constant("mu", "strong convexity", found.least, "bound", how)
    smoothness = Constant("L", "smoothness", found.largest, "bound", how)
    line = f"the Hessian is positive semidefinite: {how}"
    verdict = "convex" if modulus is None else "strongly convex"
    return Convexity(verdict, (line,), modulus, smoothness=smoothness)


def _together(parts: Sequence[tuple[float, Convexity]]) -> Convexity:
    """The mean over chunks: of each bound the weighted mean, where all have one."""
    if len(parts) == 1:
        return parts[0][1]
    first = parts[0][1]
    lines = (f"for each of the {len(parts)} chunks of rows:", *first.proof)
    modulus = _mean([(w, p.modulus) for w, p in parts])
    smoothness = _mean([(w, p.smoothness) for w, p in parts])
    verdicts = {p.verdict for _, p in parts}
    verdict = "affine" if verdicts == {"affine"} else "convex"
    return Convexity(
        "strongly convex" if modulus is not None else verdict, lines, modulus, None, smoothness
    )


def _mean(parts: Sequence[tuple[float, Constant | None]]) -> Constant | None:
    known = [(w, c) for w, c in parts if c is not None]
    if len(known) < len(parts):
        return None
    return replace(known[0][1], value=float(sum(w * c.value for w, c in known)))
