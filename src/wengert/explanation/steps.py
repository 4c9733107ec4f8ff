"""The steps from a formula to its derivative, for a reader to follow."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from wengert.assumptions import Assumption
from wengert.derive import cheapest_mode
from wengert.explanation.chain import Chain
from wengert.explanation.identities import identity_of
from wengert.explanation.naming import (
    Explained,
    derivative_row,
    derived_by,
    function_name,
    function_row,
    names_taken,
    primal_of,
    quantity_of,
    variables_text,
)
from wengert.explanation.parts import Part, Root, roots_of, take_apart
from wengert.explanation.rules import rule_of
from wengert.explanation.writing import LatexWriter, Quantity, Row, Writer
from wengert.expr import Expr, topological
from wengert.formula import Orientation
from wengert.operations import leaf_of, variable
from wengert.operations.structure import (
    is_zero,
)
from wengert.rewrite import display
from wengert.shapes import Shape

_MOST_PARTS = 20  # beyond it the parts in the middle are left out
_ENDS = 6
_MOST_INPUTS = 8
_MOST_TERMS = 4
_LONGEST = 5000  # characters of the formula or the result
_MOST_NODES = 800  # of an expression that is written as a whole
_MOST_NODES_INNER = 200  # of a derivative within the chain

_WAYS = {
    "reverse": "over all vⱼ that vᵢ feeds; d counts every way to {f}, ∂ is from 2.",
    "forward": "over all vⱼ in vᵢ; d counts every way from {x}, ∂ is from 2.",
    "cross-country": "replaces v, for every vⱼ that v feeds and vᵢ in v; the fewest first.",
}
_DOT = "Products · sum over the entries of the part in between: matrix products, for vectors."
_NUMBERS = "(5.99) to (5.108): Mathematics for Machine Learning, section 5.5, and the lecture."


def explain(formula: Explained, *, latex: bool = False) -> str:
    """The steps of the last derivation.

    Parameters
    ----------
    formula : Explained
        A derivative; of a formula that was not derived yet only the parts are shown.
    latex : bool
        Markdown with formulas in LaTeX, instead of plain text.

    Returns
    -------
    str
        The formula and what is wanted; its parts; the derivative of each part with the rule; the
        products of the chain rule in the derivation's mode; the result.
    """
    writer = LatexWriter() if latex else Writer()
    if formula.source is None:
        return _text([_heading(formula, writer), _inner_parts(formula, writer)])
    return _text(_Derivation(formula, formula.source, writer).blocks())


def _text(blocks: list[list[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _section(writer: Writer, title: str, rows: list[Row]) -> list[str]:
    return [*writer.heading(title), *writer.lines(rows)]


# ---------------------------------------------------------------- formulas


def _heading(formula: Explained, writer: Writer) -> list[str]:
    return writer.lines([_function_row(formula, writer)], "")


def _function_row(formula: Explained, writer: Writer) -> Row:
    primal = primal_of(formula)
    count = _size(primal.expr)
    if count <= _MOST_NODES:
        return function_row(formula, writer, _LONGEST)
    left = writer.name(function_name(formula))
    text = writer.words(f"({count} operations, too many to write here)")
    return Row(f"{left}{writer.equals}{text}", variables_text(primal, writer))


def _inner_parts(formula: Explained, writer: Writer) -> list[str]:
    """The parts of a formula that was not derived."""
    leaves = [_leaf(formula, v.name) for v in formula.variables]
    names = {v.name for v in formula.variables}
    roots = roots_of(formula.origin, names, function_name(formula))
    parts = take_apart(roots, leaves, names_taken(formula), bilinear=True)
    rows = _part_rows(parts, _ends(parts), writer)
    return _section(writer, "The parts, in the order in which they are computed", rows)


def _part_rows(parts: list[Part], shown: list[Part], writer: Writer) -> list[Row]:
    rows: list[Row] = []
    for part in shown:
        orientation, note = part.orientation, ""
        if orientation == "row" and part is not parts[-1]:
            orientation, note = "column", "the row, written as a column"
        quantity = Quantity(part.shown, orientation, part.step.ndim)
        what = writer.equation(writer.name(part.name), "", quantity)
        rows.append(Row(what, writer.space(quantity.shape), note))
    left_out = len(parts) - len(shown)
    if left_out:
        text = f"… ({left_out} more parts are left out)"
        rows.insert(_ENDS, Row(text, sentence=True))
    return rows


def _ends(parts: list[Part]) -> list[Part]:
    """The parts that are shown."""
    return parts if len(parts) <= _MOST_PARTS else [*parts[:_ENDS], *parts[-_ENDS:]]


# ---------------------------------------------------------------- derivations


class _Derivation:
    """The blocks of text about one derivation."""

    def __init__(self, formula: Explained, before: Explained, writer: Writer) -> None:
        self.formula = formula
        self.before = before
        self.writer = writer
        self.past = derived_by(before)
        self.first = function_name(formula)
        self.name = function_name(formula, [self.first]) if self.past else self.first
        self.leaf = _leaf(formula, formula.wrt)
        self.parts = self._take_apart()
        self.root = self.parts[-1]
        self.shown_parts = _ends(self.parts)
        self.written = [p.step for p in self.shown_parts]
        self.chain = Chain(self.parts, self.leaf)

    def _take_apart(self) -> list[Part]:
        if self.past:
            small = _size(self.before.expr) <= _MOST_NODES
            expr = self.before.shown if small else self.before.expr
            roots = [Root(self.name, expr, self.before.orientation)]
        else:
            roots = roots_of(self.before.origin, {self.formula.wrt}, self.name)
        return take_apart(roots, [self.leaf], names_taken(self.formula))

    @cached_property
    def mode(self) -> str:
        """The mode that the derivation used."""
        mode = self.formula.mode
        return cheapest_mode(self.before.expr, self.leaf) if mode == "auto" else mode

    def blocks(self) -> list[list[str]]:
        """All blocks of text."""
        blocks = self._main_blocks()
        numbered = any("(5." in line for block in blocks for line in block)
        return [*blocks, [_NUMBERS]] if numbered else blocks

    def _main_blocks(self) -> list[list[str]]:
        heading = self._heading()
        if not self.root.inputs:
            f, x = self.writer.plain(self.name), self.writer.plain(self.formula.wrt)
            text = f"{f} does not depend on {x}, so the derivative is 0."
            return [*heading, [text], self._result("The result")]
        if len(self.parts) == 1:
            return [*heading, *self._at_once(), self._remarks()]
        writer = self.writer
        parts = _part_rows(self.parts, self.shown_parts, writer)
        return [
            *heading,
            _section(writer, "1. The parts, in the order in which they are computed", parts),
            _section(
                writer, "2. The derivative of each part by what it is made of", self._locals()
            ),
            self._chain_rule(),
            self._result("4. The result, with the parts put in and simplified"),
            self._remarks(),
        ]

    # ------------------------------------------------------------ heading

    def _heading(self) -> list[list[str]]:
        writer = self.writer
        rows = [_function_row(self.formula, writer)]
        wanted = writer.partial(self.first, derived_by(self.formula))
        if self.past:
            rows.append(self._previous())
            wanted += writer.equals + writer.partial(self.name, [self.formula.wrt])
        aim = f"Wanted: {writer.formula(wanted)}"
        if len(self.parts) > 1:
            aim += f", in {self.mode} mode"
        return [writer.lines(rows, ""), [aim]]

    def _previous(self) -> Row:
        """The derivative before, with a name."""
        writer = self.writer
        left = f"{writer.name(self.name)}{writer.equals}"
        if _size(self.before.expr) <= _MOST_NODES:
            row = derivative_row(self.before, writer, _LONGEST)
            return Row(left + row.what, row.where)
        shape = self.before.expr.shape
        shape = (1, *shape) if self.before.orientation == "row" else shape
        return Row(left + writer.partial(self.first, self.past), writer.space(shape))

    # ------------------------------------------------------------ 2. local derivatives

    def _locals(self) -> list[Row]:
        groups = [self._locals_of(part) for part in self.shown_parts]
        left_out = len(self.parts) - len(self.shown_parts)
        if left_out:
            text = f"… (those of {left_out} more parts are left out)"
            groups.insert(_ENDS, [Row(text, sentence=True)])
        return [row for group in groups for row in group]

    def _locals_of(self, part: Part) -> list[Row]:
        writer = self.writer
        rows: list[Row] = []
        for symbol in part.inputs[:_MOST_INPUTS]:
            jacobian = self.chain.jacobian(part, symbol)
            quantity = self._derivative(jacobian, part.orientation, symbol, [part.step])
            what = writer.equation(writer.partial(part.name, [_name(symbol)]), "", quantity)
            rows.append(Row(what, writer.space(quantity.shape), rule_of(part, symbol)))
        left_out = len(part.inputs) - _MOST_INPUTS
        if left_out > 0:
            text = f"… ({left_out} more derivatives of {writer.plain(part.name)} are left out)"
            rows.append(Row(text, sentence=True))
        return rows

    def _derivative(
        self, expr: Expr, function: Orientation, symbol: Expr, written: list[Expr]
    ) -> Quantity:
        return Quantity.derivative(display(expr, written), function, symbol.ndim)

    def _at_once(self) -> list[list[str]]:
        """The rule of a formula with one part, and the result if it is written in another way."""
        rows = self._locals()
        result = [row for row in self._result_rows() if row.what != rows[0].what]
        if not result:
            return [_section(self.writer, "One rule is enough", rows)]
        return [
            _section(self.writer, "1. One rule is enough", rows),
            _section(self.writer, "2. The result in another form", result),
        ]

    # ------------------------------------------------------------ 3. the chain rule

    def _chain_rule(self) -> list[str]:
        writer = self.writer
        f, x = writer.plain(self.name), writer.plain(self.formula.wrt)
        if self.mode == "forward":
            title, rows = f"from {x} on to {f}", self._forward()
        elif self.mode == "reverse":
            title, rows = f"from {f} back to {x}", self._reverse()
        else:
            title, rows = "the cheapest part first", self._cross_country()
        rule = writer.chain_rule(self.mode, self.name, self.formula.wrt)
        sentences = [f"{rule} {_WAYS[self.mode].format(f=f, x=x)}"]
        if any(p.symbol.ndim for p in self.parts[:-1]):
            sentences.append(_DOT)
        said = [Row(text, sentence=True) for text in sentences]
        return _section(writer, f"3. The chain rule, {title}", [*said, *rows])

    def _reverse(self) -> list[Row]:
        """d f/d vᵢ from the function back to the variable."""
        totals = self.chain.reverse(_MOST_PARTS)
        symbols = [*(p.symbol for p in self.parts[-2::-1]), self.leaf]
        return self._listed(symbols, lambda symbol: self._reverse_row(symbol, totals))

    def _forward(self) -> list[Row]:
        """d vᵢ/d x from the variable on to the function."""
        totals = self.chain.forward(_MOST_PARTS)
        parts = {p.symbol: p for p in self.parts}
        return self._listed(list(parts), lambda symbol: self._forward_row(parts[symbol], totals))

    def _listed(self, symbols: list[Expr], write: Callable[[Expr], Row]) -> list[Row]:
        """The rows of the symbols that are shown, with a sentence for those left out."""
        shown = {self.leaf, *(p.symbol for p in self.shown_parts)}
        rows: list[Row] = []
        skipped = 0
        for symbol in symbols:
            if symbol not in shown:
                skipped += 1
                continue
            if skipped:
                rows.append(Row(f"… ({skipped} more like these are left out)", sentence=True))
                skipped = 0
            rows.append(write(symbol))
        return rows

    def _reverse_row(self, symbol: Expr, totals: dict[Expr, Expr]) -> Row:
        writer, name = self.writer, _name(symbol)
        users = self.chain.feeds.get(symbol, [])
        terms: list[str] = []
        sizes: list[str] = []
        for user in users[:_MOST_TERMS]:
            local = writer.partial(user.name, [name])
            if user is self.root:
                terms.append(local)
                continue
            terms.append(writer.total(self.name, user.name) + writer.dot + local)
            outer = _shape(self.root.symbol, user.symbol, self.root.orientation)
            inner = _shape(user.symbol, symbol, user.orientation)
            sizes.append(writer.sizes(outer) + writer.sizes(inner))
        left, middle = writer.total(self.name, name), self._sum(terms, len(users))
        return self._chain_row(left, middle, sizes, totals.get(symbol), self.root, symbol)

    def _forward_row(self, part: Part, totals: dict[Expr, Expr]) -> Row:
        writer, x = self.writer, _name(self.leaf)
        terms: list[str] = []
        sizes: list[str] = []
        for symbol in part.inputs[:_MOST_TERMS]:
            local = writer.partial(part.name, [_name(symbol)])
            if symbol is self.leaf:
                terms.append(local)
                continue
            terms.append(local + writer.dot + writer.total(_name(symbol), x))
            outer = _shape(part.symbol, symbol, part.orientation)
            inner = _shape(symbol, self.leaf, "column")
            sizes.append(writer.sizes(outer) + writer.sizes(inner))
        left, middle = writer.total(part.name, x), self._sum(terms, len(part.inputs))
        return self._chain_row(left, middle, sizes, totals.get(part.symbol), part, self.leaf)

    def _sum(self, terms: list[str], count: int) -> str:
        text = self.writer.plus.join(terms)
        if count > len(terms):
            text += self.writer.plus + self.writer.words(f"… ({count} terms)")
        return text

    def _chain_row(
        self,
        left: str,
        middle: str,
        sizes: list[str],
        value: Expr | None,
        part: Part,
        symbol: Expr,
    ) -> Row:
        """One line of the chain rule, with the value if it is short."""
        writer = self.writer
        where = writer.space(_shape(part.symbol, symbol, part.orientation))
        scalar = not set("".join(sizes)) - set("(1)")
        why = "" if scalar else writer.formula(writer.plus.join(sizes))
        if value is None or _size(value) > _MOST_NODES_INNER:
            return Row(f"{left}{writer.equals}{middle}", where, why)
        quantity = self._derivative(value, part.orientation, symbol, self.written)
        return Row(writer.equation(left, middle, quantity), where, why)

    def _cross_country(self) -> list[Row]:
        """Parts taken out one after the other, the one with the fewest products first."""
        if len(self.parts) > _MOST_PARTS:
            text = f"… (the products of {len(self.parts)} parts are too many to write here)"
            return [Row(text, sentence=True)]
        writer = self.writer
        rows: list[Row] = []
        for step in self.chain.eliminations():
            v, u, w = _name(step.taken), _name(step.lower), step.upper
            left = writer.partial(w.name, [u])
            middle = writer.partial(w.name, [v]) + writer.dot + writer.partial(v, [u])
            if step.known:
                middle = f"{left}{writer.words(' (before)')}{writer.plus}{middle}"
            row = self._chain_row(left, middle, [], step.value, w, step.lower)
            rows.append(Row(row.what, row.where, f"takes out {writer.plain(v)}"))
        return rows

    # ------------------------------------------------------------ 4. the result

    def _result(self, title: str) -> list[str]:
        return _section(self.writer, title, self._result_rows())

    def _result_rows(self) -> list[Row]:
        """The result; of a higher rank both flattened in matrix notation and with indices."""
        count = _size(self.formula.expr)
        if count > _MOST_NODES:
            text = f"The result has {count} operations, too many to write here."
            return [Row(text, sentence=True)]
        rows = [derivative_row(self.formula, self.writer, _LONGEST)]
        quantity = quantity_of(self.formula)
        if quantity.expr.ndim > 2 and not is_zero(quantity.expr):
            wanted = self.writer.partial(self.first, derived_by(self.formula))
            indexed = self.writer.indexed(wanted, quantity.expr.ndim)
            what = f"{indexed}{self.writer.equals}{self.writer.index(quantity)}"
            if what != rows[0].what:
                rows.append(Row(what, self.writer.space(quantity.shape)))
        return rows

    def _remarks(self) -> list[str]:
        lines: list[str] = []
        assumed = self.leaf.param("assumptions")
        name = self.writer.plain(self.formula.wrt)
        if Assumption.DIAGONAL in assumed:
            lines.append(f"{name} is diagonal: only its diagonal can change.")
        elif Assumption.SYMMETRIC in assumed:
            lines.append(
                f"{name} is symmetric and so are its changes: of every derivative by {name} the "
                "symmetric part (G + Gᵀ)/2 is taken."
            )
        if len(self.parts) > 1 and _size(self.before.expr) <= _MOST_NODES_INNER:
            whole = identity_of(self.before.shown, self.leaf)
            if whole is not None:
                lines.append(f"As a whole this is {whole.statement()}.")
        return lines


def _leaf(formula: Explained, name: str) -> Expr:
    return next(
        leaf_of(variable(v.name, v.shape, v.assumptions))
        for v in formula.variables
        if v.name == name
    )


def _name(symbol: Expr) -> str:
    return str(symbol.params[0])


def _size(expr: Expr) -> int:
    return len(topological(expr))


def _shape(function: Expr, symbol: Expr, orientation: str) -> Shape:
    """The shape of a derivative as it is written: gradients are rows."""
    shape = function.shape + symbol.shape
    gradient = symbol.ndim == 1 and function.ndim == 0
    turned = function.ndim == 1 and symbol.ndim == 0 and orientation == "row"
    return (1, *shape) if gradient or turned else shape
