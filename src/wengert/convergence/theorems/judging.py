"""How assumptions are judged by what is known: proven, estimated, violated, or unknown."""

from __future__ import annotations

from collections.abc import Callable

from wengert.convergence.facts import Constant
from wengert.convergence.theorems.theorem import Assumption, Facts, Judged, MissingError, Verdict
from wengert.optimize.steps import Fixed, Inverse, InverseSqrt, Schedule, factor

_NO_NOISE = 1e-12  # of the noise at the start: what rounding leaves
_ROUNDING = 1e-12  # a step of exactly 1/L is not above 1/L


# ---------------------------------------------------------------- the function


def _convex(facts: Facts) -> Judged:
    found = facts.convexity
    if found.convex is None:
        return Judged("unknown", found.proof[-1] if found.proof else "neither proven nor refuted")
    if not found.convex:
        why = found.certificate or (found.proof[-1:] or ("refuted",))[0]
        return Judged("violated", str(why))
    if found.where:
        return Judged("estimated", f"{found.verdict} {found.where}: while iterates stay there")
    return Judged("proven", f"the risk is {found.verdict}")


def _number(symbol: str, positive: str | None = None) -> Callable[[Facts], Judged]:
    """Judge that a constant is known; with ``positive``, that it is above 0."""

    def judge(facts: Facts) -> Judged:
        found = facts.constant(symbol)
        if found is None:
            return Judged("unknown", f"{symbol} is not known{_reason(facts, symbol)}")
        if positive and not found.value > 0:
            return Judged("violated" if found.kind == "exact" else "unknown", positive)
        where = f" {found.within}" if found.within else ""
        why = f"{symbol} = {found.value:.4g}, {found.kind}: {found.how}{where}"
        return Judged(sureness(found), why)

    return judge


def _reason(facts: Facts, symbol: str) -> str:
    """Why a constant is absent, as the notes on constants say."""
    for note in facts.constants.notes:
        symbols, _, why = note.partition(": ")
        if why and symbol in symbols.split(", "):
            return f": {why.partition(': ')[0]}"
    return ""


def sureness(*constants: Constant | None) -> Verdict:
    """What an assumption is that rests on these numbers.

    Those that hold in some place only prove nothing of iterates that may leave it.
    """
    known = (one for one in constants if one is not None)
    return "proven" if all(one.proven and not one.within for one in known) else "estimated"


def needed(symbol: str) -> Assumption:
    """That a number is known which a bound is computed from."""
    return Assumption(f"{symbol} is known", _number(symbol))


CONVEX = Assumption("f is convex", _convex)
SMOOTH = Assumption("∇f is Lipschitz with L", _number("L"), ("L",))
LIPSCHITZ_HESSIAN = Assumption("∇²f is Lipschitz with M", _number("M"), ("M",))


def _strongly(facts: Facts) -> Judged:
    if facts.convexity.convex is False:
        return _convex(facts)
    found = _number("mu", "no μ > 0 is known")(facts)
    if found.verdict != "proven":
        return found
    convex = _convex(facts)
    # A proven μ > 0 is itself a proof; what is undecided by composition does not matter then.
    return found if convex.verdict == "unknown" else Judged(convex.verdict, found.why)


STRONGLY_CONVEX = Assumption("f is strongly convex with μ > 0", _strongly, ("mu",))
GRADIENT_DOMINATED = Assumption(
    "½‖∇f‖² ≥ PL (f − f*) (Polyak-Łojasiewicz)",
    _number("PL", "no such constant above 0 is known"),
    ("PL",),
)


def _quadratic(facts: Facts) -> Judged:
    known = facts.is_quadratic
    if known is None:
        return Judged("unknown", "it is not known whether the Hessian depends on θ")
    if known:
        return Judged("proven", "the Hessian does not depend on θ")
    return Judged("violated", "the Hessian depends on θ")


QUADRATIC = Assumption("f is quadratic", _quadratic)


# ---------------------------------------------------------------- rows


def _rows_convex(facts: Facts) -> Judged:
    if facts.rows_convex is None:
        return Judged("unknown", "it is not known whether each row's loss is convex")
    if facts.rows_convex:
        return Judged("proven", "each row's loss is convex")
    return Judged("violated", "a row's loss is not convex")


def _rows_strongly(facts: Facts) -> Judged:
    if facts.rows_convex is False:
        return _rows_convex(facts)
    if facts.rows_modulus is None or not facts.rows_modulus > 0:
        return Judged("unknown", "no μ > 0 is known with which each row's loss is strongly convex")
    return Judged("proven", f"each row's loss is, with μ = {facts.rows_modulus:.4g}")


def _interpolates(facts: Facts) -> Judged:
    star, start = facts.constants.get("sigma2_star"), facts.constants.get("sigma2")
    none = "the gradients of all rows vanish at θ*"
    if facts.interpolation is not None:
        known = facts.interpolation
        return Judged("proven", none) if known else Judged("violated", f"it is not so that {none}")
    if star is None:
        return Judged("unknown", "the noise at θ* is not known")
    if star.value == 0:
        return Judged(sureness(star), none)
    if start is not None and star.value <= _NO_NOISE * start.value:
        return Judged("estimated", f"{none} but for rounding: sigma2_star = {star.value:.2g}")
    return Judged("violated", f"the noise there is {star.value:.4g}")


def _noise(facts: Facts) -> Judged:
    known = [c for c in map(facts.constants.get, ("sigma2", "sigma2_star")) if c is not None]
    if not known:
        return Judged("unknown", "the noise is not known")
    what = ", ".join(f"{one.symbol} = {one.value:.4g}" for one in known)
    return Judged("estimated", f"measured at single points only: {what}")


def _independent(facts: Facts) -> Judged:
    if facts.method.replacement:
        return Judged("proven", "batches are drawn from all rows, with replacement")
    if facts.rows is not None and facts.batch == facts.rows:
        return Judged("proven", "a batch is all rows")
    return Judged(
        "violated",
        "each epoch goes through all rows once, so its batches depend on each other; "
        "SGD(replacement=True) draws as the theorem asks",
    )


def _even(facts: Facts) -> Judged:
    if facts.rows is None:
        return Judged("unknown", "the number of rows is not known")
    if facts.rows % facts.batch:
        return Judged(
            "violated",
            f"{facts.rows} rows are no multiple of {facts.batch}, and the rows of the last batch "
            "count more; take a batch size that divides them",
        )
    return Judged("proven", f"{facts.rows} rows in batches of {facts.batch}")


def _shuffled(facts: Facts) -> Judged:
    if facts.shuffled is None:
        return Judged("unknown", "it is not known how rows are shuffled")
    if facts.shuffled:
        return Judged("proven", "each epoch orders all rows anew")
    return Judged("violated", "rows are shuffled within chunks only")


def _plain(facts: Facts) -> Judged:
    if facts.method.momentum:
        return Judged("violated", f"momentum is {facts.method.momentum:g}")
    return Judged("proven", "momentum is 0")


def _gradients(facts: Facts) -> Judged:
    found = _number("Gstoch")(facts)
    constant = facts.constant("Gstoch")
    if constant is None or found.verdict != "proven":
        return found
    modulus = facts.constant("mu")
    if modulus is not None and modulus.value > 0:
        return Judged("estimated", f"f is strongly convex, so not everywhere: {found.why}")
    return found


ROWS_CONVEX = Assumption("each row's loss is convex", _rows_convex)
ROWS_STRONGLY_CONVEX = Assumption("each row's loss is strongly convex", _rows_strongly)
INTERPOLATION = Assumption("θ* minimises each row's loss", _interpolates)
NOISE_BOUNDED = Assumption("the noise of a row's gradient is at most σ² everywhere", _noise)
GRADIENTS_BOUNDED = Assumption("E‖g‖² ≤ G² for the gradient g of a batch", _gradients, ("Gstoch",))
INDEPENDENT = Assumption("batches are independent of each other", _independent)
EVEN = Assumption("each epoch is a whole number of batches", _even)
SHUFFLED = Assumption("each epoch orders all rows anew, at random", _shuffled)
PLAIN = Assumption("no momentum", _plain)


# ---------------------------------------------------------------- steps


def largest_step(facts: Facts) -> float:
    """The largest step of a schedule or of a fixed step; the first one.

    Raises
    ------
    MissingError
        If it is not known.
    """
    rule = getattr(facts.method, "step", None)
    if getattr(facts.method, "stochastic", False):
        return float(factor(rule, 0))  # pyright: ignore[reportArgumentType]
    return facts.alpha


def step_below(
    limit: float,
    symbol: str = "L",
    strict: bool = False,
    of: Callable[[Facts], float] | None = None,
    uses: tuple[str, ...] = (),
) -> Assumption:
    """That no step is above limit/L, or another constant; one that is computed ``of`` others."""
    sign = "<" if strict else "≤"
    over = "" if limit == 1 else f"{limit:g}"
    text = f"α {sign} {over or 1}/{symbol}"

    def judge(facts: Facts) -> Judged:
        try:
            step = largest_step(facts)
            value = facts[symbol] if of is None else of(facts)
        except MissingError as error:
            return Judged("unknown", str(error))
        used = [facts.constant(one) for one in uses or (symbol,)]
        product = step * value
        most = limit * (1 - _ROUNDING if strict else 1 + _ROUNDING)
        if product <= most:
            return Judged(sureness(*used), f"α{symbol} = {product:.4g}")
        why = (
            f"α{symbol} = {product:.4g}, with α = {step:.4g}; at most {limit / value:.4g} would do"
        )
        loose = any(one is not None and one.kind == "bound" for one in used)
        return Judged("unknown" if loose else "violated", why)

    return Assumption(text, judge)


def written(rule: float | Schedule) -> str:
    """A step or a schedule as people write it.

    >>> written(0.07663469251806723), written(InverseSqrt(0.5)), written(Inverse(2.0, 1.0))
    ('0.07663', '0.5/√(t + 1)', '2/(t + 1)')
    """
    if isinstance(rule, InverseSqrt):
        return f"{rule.scale:.4g}/√(t + 1)"
    if isinstance(rule, Inverse):
        return f"{rule.scale:.4g}/(t + {rule.offset:.4g})"
    return f"{factor(rule, 0):.4g}"


def _first_step(facts: Facts) -> Judged:
    if facts.step is None:
        return Judged("unknown", "it is not known")
    return Judged("proven", f"α₀ = {facts.alpha:.4g}")


FIRST_STEP = Assumption("the first step is known", _first_step)


def _constant_step(facts: Facts) -> Judged:
    rule = facts.method.step
    if isinstance(rule, int | float | Fixed):
        return Judged("proven", f"α = {factor(rule, 0):.4g}")
    return Judged("violated", f"the step is {written(rule)}")


CONSTANT_STEP = Assumption("the step is the same always", _constant_step)
