"""A report in words: the answer first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from wengert.convergence.report.comparison import fastest, table_of
from wengert.convergence.report.ladder import Ladder
from wengert.convergence.report.outlook import Outlook
from wengert.convergence.report.words import between, bullet, count, factor, paragraph, span, steps
from wengert.convergence.theorems.theorem import Applied, Judged
from wengert.expectation.report import Table

if TYPE_CHECKING:
    from wengert.convergence.report.report import Report

_WIDTH = 100
_MOST_PROOF = 12  # lines of a proof
_MOST_ALSO, _MOST_BROKEN = 3, 3  # theorems besides the best one
_SURE = {"exact": "exact", "bound": "proven bound", "estimate": "estimate"}


def text_of(report: Report) -> str:
    """The whole report.

    Parameters
    ----------
    report : Report
        The report.
    """
    parts = [answer(report)]
    if report.outlooks and report.first > report.eps:
        parts.append(_section("Methods", _methods(report)))
    if report.ladder is not None:
        parts.append(_section("Which method at which gap (forecasts)", _ladder(report.ladder)))
    parts.append(_section("Constants", _constants(report)))
    parts.append(_section("Convexity", _convexity(report)))
    if not report.first <= report.eps:
        parts += [_section(f"Theorems for {o.label}", _theorems(o)) for o in report.outlooks]
    if any(o.forecast is not None or o.measured is not None for o in report.outlooks):
        parts.append(_section("Forecast and measurement", _runs(report)))
    if report.advice:
        parts.append(_section("Advice", "\n".join(bullet(str(one)) for one in report.advice)))
    if report.notes:
        parts.append(_section("Notes", "\n".join(map(bullet, report.notes))))
    return "\n\n".join(part for part in parts if part)


def _section(title: str, body: str) -> str:
    return f"{title}\n{'─' * len(title)}\n{body}" if body else ""


# ---------------------------------------------------------------- the answer


def answer(report: Report) -> str:
    """The first lines: how long it takes, and why it works."""
    lines = [_how_long(report)]
    why = _why(report)
    if why:
        lines.append(why)
    if report.status == "interrupted":
        lines.append("The report was interrupted: this is what was known then.")
    return "\n".join(paragraph(line, _WIDTH) for line in lines)


def _how_long(report: Report) -> str:
    goal = _goal(report)
    if report.reference is None:
        return f"Nothing is known yet of {report.problem}."
    if report.reference.missing is not None and not isfinite(report.reference.value):
        return f"There is no minimum of {report.problem}: {report.reference.missing}"
    if report.first <= report.eps:
        return (
            f"Nothing has to be done for {goal} on {report.problem}: at θ₀ it is "
            f"{report.first:.3g} already (0 steps)."
        )
    missing = ""
    if report.reference.missing is not None:
        missing = (
            f"There is no minimum: {report.reference.missing}. Gaps are those to the infimum "
            f"{report.reference.value:g}. "
        )
    best = fastest(report.outlooks)
    if best is None:
        return f"{missing}{_unreached(report, goal)}"
    if len(report.outlooks) > 1:
        return f"{missing}{_first(report, best, goal)}"
    return f"{missing}{_alone(best, goal, report.problem)}"


def _goal(report: Report) -> str:
    if report.quantity == "gap":
        return f"a gap of {report.eps:g}"
    return f"a squared gradient of {report.eps:g}"


def _alone(outlook: Outlook, goal: str, problem: str) -> str:
    name = _named(outlook)
    foreseen, measured = outlook.foreseen, outlook.measured
    seconds = outlook.steps * outlook.seconds_per_step
    took = "" if not isfinite(seconds) else f" and {span(seconds)}"
    if measured is not None and measured.reached:
        text = f"{name} reaches {goal} on {problem} in {steps(outlook.steps)}{took}"
        text += f" (mean of {measured.seeds} runs)" if measured.seeds > 1 else ""
        if foreseen is not None and isfinite(foreseen.value):
            text += f"; the forecast before the run was {_foreseen(foreseen)}"
    else:
        text = f"{name} will reach {goal} on {problem} after about "
        text += f"{_foreseen(foreseen)} steps{took}" if foreseen is not None else "?"
    if isfinite(outlook.guaranteed):
        text += f", {_bound_word(outlook)} is {count(outlook.guaranteed)}"
    return text + "."


def _bound_word(outlook: Outlook) -> str:
    proven = outlook.theorem is not None and outlook.theorem.status == "proven"
    return "the guarantee" if proven else "the theorem's bound, by estimated constants,"


def _foreseen(found: Any) -> str:
    return f"{count(found.value)} ({between(found.low, found.high)})"


def _named(outlook: Outlook) -> str:
    return _capital(outlook.label)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first(report: Report, best: Outlook, goal: str) -> str:
    how = "measured" if best.measured is not None and best.measured.reached else "forecast"
    text = (
        f"To {goal} on {report.problem}, {best.label} is the fastest: {steps(best.steps)} and "
        f"{span(best.steps * best.seconds_per_step)} ({how})"
    )
    others = [o for o in report.outlooks if o is not best]
    parts: list[str] = []
    for other in others:
        seconds = other.steps * other.seconds_per_step
        measured = other.measured
        if measured is not None and not measured.reached and measured.status != "budget":
            parts.append(f"{other.label} does not get there{_because(other)}")
        elif measured is not None and not measured.reached and isfinite(seconds):
            parts.append(
                f"{other.label} was stopped before; by the forecast it takes "
                f"{steps(other.steps)} and {span(seconds)}"
            )
        elif isfinite(seconds):
            parts.append(f"{other.label} takes {steps(other.steps)} and {span(seconds)}")
        else:
            parts.append(f"{other.label} does not get there{_because(other)}")
    return f"{text}; {', '.join(parts)}."


def _because(outlook: Outlook) -> str:
    measured = outlook.measured
    if measured is None:
        return ""
    return f" ({measured.message})"


def _unreached(report: Report, goal: str) -> str:
    outlooks = report.outlooks
    if not outlooks:
        return f"No method was looked at for {goal} on {report.problem}."
    text = " ".join(
        f"{_named(o)} does not reach {goal} on {report.problem}{_because(o)}." for o in outlooks
    )
    bounds = [o for o in outlooks if isfinite(o.guaranteed)]
    more = [f"{_bound_word(o)} for {o.label} is {steps(o.guaranteed)}" for o in bounds]
    return f"{text} {_capital('; '.join(more))}." if more else text


def _why(report: Report) -> str:
    outlooks = report.outlooks
    if not outlooks or report.reference is None or report.first <= report.eps:
        return ""
    if not isfinite(report.reference.value):
        return ""
    best = fastest(outlooks) or outlooks[0]
    applied = best.theorem
    if report.quantity == "squared gradient":
        start = (
            "The function is not convex (a direction of negative curvature was found), so theorems "
            "speak of the smallest squared gradient so far, and ε is meant for that"
        )
    else:
        start = _shape_of(report)
    if applied is None:
        return f"{start}. {_no_theorem(best)}"
    sure = {
        "proven": "all assumptions are proven",
        "estimated": "if the constants that are only estimated hold",
    }.get(applied.status, applied.status)
    theorem = applied.theorem
    rate = "" if theorem.rate in theorem.name else f", {theorem.rate}"
    return f"{start}. The theorem for {best.label} is “{theorem.name}”{rate}: {sure}."


def _shape_of(report: Report) -> str:
    verdict = report.convexity.verdict
    how = {
        "strongly convex": "The function is strongly convex (proven)",
        "convex": "The function is convex (proven)",
        "affine": "The function is affine",
        "undecided": "Whether the function is convex could not be decided",
    }.get(verdict, f"The function is {verdict}")
    L, mu = report.constants.get("L"), report.constants.get("mu")
    numbers: list[str] = []
    if L is not None:
        numbers.append(f"L = {L.value:.4g} ({_sure_word(L)})")
    if mu is not None and mu.value > 0 and mu.proven:
        numbers.append(f"μ = {mu.value:.4g} ({_sure_word(mu)})")
    return f"{how}, with {' and '.join(numbers)}" if numbers else how


def _sure_word(constant: Any) -> str:
    return {"exact": "exact", "bound": "a proven bound", "estimate": "an estimate"}[constant.kind]


def _no_theorem(outlook: Outlook) -> str:
    for applied in outlook.theorems:
        broken = [one for one in applied.judged if one.verdict in ("violated", "unknown")]
        if broken:
            return (
                f"No theorem guarantees {outlook.label} here; “{applied.theorem.name}” would, but "
                f"{_reason(broken[0])}."
            )
    if outlook.bounds:
        return (
            f"No theorem guarantees {outlook.label} here: the bounds that would rest on estimates, "
            "and the run is above them."
        )
    return f"No theorem guarantees {outlook.label} here."


# ---------------------------------------------------------------- sections


def _methods(report: Report) -> str:
    lines: list[str] = []
    if len(report.outlooks) > 1:
        lines.append(str(table_of(report.outlooks)))
        lines += [bullet(f"{crossing}") for crossing in report.crossings]
    lines += [
        bullet(f"{outlook.label}: {outlook.choice.why}")
        for outlook in report.outlooks
        if outlook.choice.why
    ]
    return "\n".join(lines)


def _ladder(ladder: Ladder) -> str:
    return "\n".join([str(ladder.table), *(bullet(one, _WIDTH) for one in ladder.sentences)])


def _constants(report: Report) -> str:
    rows: list[tuple[str, ...]] = []
    for one in report.constants.found:
        between_ = "" if one.interval is None else "{:.4g} to {:.4g}".format(*one.interval)
        how = f"{one.how}; {one.within}" if one.within and one.within not in one.how else one.how
        rows.append((one.symbol, f"{one.value:.5g}", between_, _SURE[one.kind], how))
    text = ""
    if rows:
        text = str(
            Table(("", "value", "interval", "sure", "how"), tuple(rows), words=frozenset({0, 3, 4}))
        )
    if report.reference is not None:
        text += f"\n{report.reference}" if text else str(report.reference)
    return text


def _convexity(report: Report) -> str:
    found = report.convexity
    lines = [found.verdict, *(f"  {line}" for line in found.proof[:_MOST_PROOF])]
    if len(found.proof) > _MOST_PROOF:
        lines.append(f"  ... ({len(found.proof)} lines in all: report.convexity)")
    if found.certificate is not None:
        lines += [f"  {line}" for line in str(found.certificate).splitlines()]
    return "\n".join(lines)


def _theorems(outlook: Outlook) -> str:
    lines: list[str] = []
    best = outlook.theorem
    if best is not None:
        lines += _stated(best, outlook.eps)
    also = [
        f"{one.theorem.name}: {count(one.steps_to(outlook.eps))} ({one.status})"
        for one in [t for t in outlook.bounds if t is not best][:_MOST_ALSO]
    ]
    if also:
        lines.append(bullet(f"other bounds, steps to ε: {'; '.join(also)}", _WIDTH))
    others = [one for one in outlook.theorems if not one.applies]
    lines += [
        bullet(f"not here: {one.theorem.name}, as {_broken(one)}", _WIDTH)
        for one in others[:_MOST_BROKEN]
    ]
    for silence in outlook.silences:
        lines.append(bullet(f"no theorem with constants: {silence.missing}", _WIDTH))
        lines.append(bullet(f"known instead: {silence.known} ({silence.source})", _WIDTH))
    return "\n".join(lines)


def _broken(applied: Applied) -> str:
    worst = [one for one in applied.judged if one.verdict == "violated"]
    worst = worst or [one for one in applied.judged if one.verdict == "unknown"]
    return "; ".join(map(_reason, worst[:1]))


def _reason(judged: Judged) -> str:
    """Why an assumption does not hold; of a number that is not known, only that."""
    why = shorten(judged.why, _WIDTH, placeholder=" ...")
    if judged.verdict == "unknown" and "is not known" in why:
        return why
    if judged.verdict == "unknown":
        return f"“{judged.text}” is not certain: {why}"
    return f"“{judged.text}” is {judged.verdict}: {why}"


def _stated(applied: Applied, eps: float) -> Iterator[str]:
    theorem = applied.theorem
    tight = "; some function meets it" if applied.tight else ""
    yield f"{theorem.name}, {theorem.rate}{tight}"
    yield paragraph(theorem.statement, _WIDTH, "  ")
    needed = applied.steps_to(eps)
    goal = steps(needed) if isfinite(needed) else "never, the bound stays above it"
    yield f"  to ε: {goal} ({applied.status})"
    for one in applied.judged:
        yield paragraph(f"[{one.verdict}] {one.text}: {one.why}", _WIDTH, "  ")
    if theorem.remark:
        yield paragraph(theorem.remark, _WIDTH, "  ")
    yield paragraph(f"Source: {theorem.source}", _WIDTH, "  ")


def _runs(report: Report) -> str:
    lines: list[str] = []
    for outlook in report.outlooks:
        several = len(report.outlooks) > 1
        if several:
            lines.append(outlook.label)
        indent = "  " if several else ""
        lines += [indent + line for line in _run_of(outlook)]
    return "\n".join(lines)


def _run_of(outlook: Outlook) -> Iterator[str]:
    foreseen, measured = outlook.foreseen, outlook.measured
    if outlook.forecast is not None and foreseen is not None:
        found = f"{_foreseen(foreseen)} steps to ε" if isfinite(foreseen.value) else "ε not reached"
        yield f"forecast  {found}, confidence: {outlook.forecast.confidence}"
        yield f"          from a pilot that cost {count(outlook.forecast.cost)} gradients"
        for sentence in outlook.forecast.how:
            yield from paragraph(sentence, _WIDTH - 10, "          ").splitlines()
    elif outlook.unforeseen:
        yield f"forecast  none: {outlook.unforeseen}"
    if measured is None:
        return
    if measured.reached:
        runs = f", mean of {measured.seeds} runs" if measured.seeds > 1 else ""
        single = ""
        if measured.seeds > 1:
            single = f" (single runs {between(measured.steps.low, measured.steps.high)})"
        yield f"measured  {steps(measured.steps.value)} to ε{runs}{single}"
        if foreseen is not None and isfinite(foreseen.value) and measured.steps.value > 0:
            yield f"          forecast/measured = {foreseen.value / measured.steps.value:.3g}"
        if isfinite(outlook.guaranteed) and measured.steps.value > 0:
            ratio = outlook.guaranteed / measured.steps.value
            yield f"          guarantee/measured = {factor(ratio)}"
    else:
        yield f"measured  {measured.status}: {measured.message}"
    yield f"          {span(measured.seconds_per_step)} a step, {span(measured.seconds)} in all"
    if outlook.rate is not None:
        text = paragraph(f"rate: {outlook.rate}", _WIDTH - 10, " " * 10)
        yield text.replace(" " * 10 + "rate: ", "rate      ", 1)
