"""Index notation of any rank: Einstein's summation convention, with δ for deltas.

Free indices are i, j, k, l, p, q, ... in the order of the axes; summed indices get fresh letters.
An index that occurs twice in a term and is not free is summed; where it occurs once or more than
twice, a Σ says so. A part with a matrix form keeps it, with indices outside: ``(Xw − y)_i``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wengert.expr import Expr
from wengert.operations.constants import CONSTANT
from wengert.operations.structural import VARIABLE
from wengert.operations.structure import is_contraction, is_power, is_sum
from wengert.primitive import Notation
from wengert.printing.contraction import Contraction, flattened, label_colours
from wengert.printing.definitions import shared_nodes
from wengert.printing.latex import LatexRenderer
from wengert.printing.matrix import Conversion, Converter
from wengert.printing.names import superscript
from wengert.printing.render import ATOM, POWER, PRODUCT, SUM, Argument, Piece, Renderer
from wengert.printing.tree import Tree
from wengert.printing.unicode import UnicodeRenderer

LETTERS = "ijklpqrstuvabcghnoyzmfwxe"
Indices = tuple[str, ...]
Steps = Generator["_Task", Piece, Piece]


@dataclass(frozen=True)
class _Task:
    """A node to write with these indices, letters in ``used`` being taken."""

    node: Expr
    indices: Indices
    used: frozenset[str]
    outer: bool


def index_notation(expr: Expr, indices: Sequence[str] | None = None) -> str:
    """The expression in index notation, in Unicode.

    Parameters
    ----------
    expr : Expr
        An expression in display form.
    indices : sequence of str, optional
        Letters of the free indices, output axes first; ``i, j, k, l, p, q, ...`` by default.
    """
    return _write(expr, indices, _UnicodeStyle())


def index_latex(expr: Expr, indices: Sequence[str] | None = None) -> str:
    """The expression in index notation, in LaTeX."""
    return _write(expr, indices, _LatexStyle())


def free_indices(rank: int) -> Indices:
    """The letters of the free indices of an array of this rank."""
    return tuple(_letter(k) for k in range(rank))


def _letter(k: int) -> str:
    turn, place = divmod(k, len(LETTERS))
    return LETTERS[place] + (str(turn) if turn else "")


def _fresh(count: int, used: frozenset[str]) -> list[str]:
    found: list[str] = []
    k = 0
    while len(found) < count:
        if _letter(k) not in used:
            found.append(_letter(k))
        k += 1
    return found


def _write(expr: Expr, indices: Sequence[str] | None, style: _Style) -> str:
    free = free_indices(expr.ndim) if indices is None else tuple(indices)
    cuts: dict[Expr, Tree] = {}
    definitions: list[str] = []
    for node, symbol in shared_nodes(expr):
        own = free_indices(node.ndim)
        writer = _Writer(style, dict(cuts))
        body = writer.run(_Task(node, own, frozenset(own), outer=True)).text
        name = style.indexed(style.renderer.render(symbol), own)
        definitions.append(f"{name} = {body}")
        cuts[node] = symbol
    writer = _Writer(style, cuts)
    text = writer.run(_Task(expr, free, frozenset(free), outer=True)).text
    return style.where(text, definitions) if definitions else text


# ---------------------------------------------------------------- styles


class _Style:
    """What Unicode and LaTeX write differently."""

    renderer: Renderer
    minus = " − "
    sign = "−"
    plus = " + "
    template = "unicode"

    def indexed(self, text: str, indices: Indices) -> str:
        joined = ("," if any(len(a) > 1 for a in indices) else "").join(indices)
        return f"{text}_{joined}" if indices else text

    def delta(self, indices: Indices) -> str:
        return self.indexed("δ", indices)

    def raised(self, text: str, exponent: Fraction) -> str:
        if exponent.denominator == 1:
            return text + superscript(int(exponent))
        return f"{text}^({exponent})"

    def root(self, text: str) -> str:
        return f"√({text})"

    def quotient(self, above: str, below: list[str]) -> str:
        divisor = self.product(below)
        return f"{above}/({divisor})" if len(below) > 1 else f"{above}/{divisor}"

    def product(self, texts: list[str]) -> str:
        return " ".join(texts)

    def where(self, text: str, definitions: list[str]) -> str:
        return f"{text} where {', '.join(definitions)}"

    def summation(self, indices: list[str]) -> str:
        return "Σ_" + ("," if any(len(a) > 1 for a in indices) else "").join(indices)


class _UnicodeStyle(_Style):
    def __init__(self) -> None:
        self.renderer = UnicodeRenderer()


class _LatexStyle(_Style):
    minus = "-"
    sign = "-"
    plus = "+"
    template = "latex"

    def __init__(self) -> None:
        self.renderer = LatexRenderer()

    def indexed(self, text: str, indices: Indices) -> str:
        if not indices:
            return text
        joined = "".join(_latex_index(a) for a in indices)
        if text.endswith("}") and "_{" in text and not text.startswith(r"\left"):
            return f"{text[:-1]},{joined}}}"
        return f"{text}_{{{joined}}}"

    def delta(self, indices: Indices) -> str:
        return self.indexed(r"\delta", indices)

    def raised(self, text: str, exponent: Fraction) -> str:
        return f"{text}^{{{exponent}}}"

    def root(self, text: str) -> str:
        return rf"\sqrt{{{text}}}"

    def quotient(self, above: str, below: list[str]) -> str:
        return rf"\frac{{{above}}}{{{self.product(below)}}}"

    def product(self, texts: list[str]) -> str:
        result = ""
        for text in texts:
            glue = "" if not result else (r"\cdot " if text[0].isdigit() else r"\,")
            result += glue + text
        return result

    def where(self, text: str, definitions: list[str]) -> str:
        joined = r",\; ".join(d.replace(" = ", "=", 1) for d in definitions)
        return rf"{text}\quad\mathrm{{where}}\quad {joined}"

    def summation(self, indices: list[str]) -> str:
        return rf"\sum_{{{''.join(_latex_index(a) for a in indices)}}}"


def _latex_index(letter: str) -> str:
    return letter if len(letter) == 1 else f"{letter[0]}_{{{letter[1:]}}}"


# ---------------------------------------------------------------- writing


class _Writer:
    """Writes nodes with indices; tasks wait on a stack, so depth needs no recursion."""

    def __init__(self, style: _Style, cuts: dict[Expr, Tree]) -> None:
        self.style = style
        self.cuts = cuts
        self.converter = Converter(Conversion(cuts=cuts))

    def run(self, task: _Task) -> Piece:
        stack = [self._steps(task)]
        answer: Piece | None = None
        while True:
            try:
                request = stack[-1].send(answer) if answer is not None else next(stack[-1])
            except StopIteration as stop:
                result: Piece = stop.value
                stack.pop()
                if not stack:
                    return result
                answer = result
                continue
            stack.append(self._steps(request))
            answer = None

    def _steps(self, task: _Task) -> Steps:
        node = task.node
        if node in self.cuts or node.primitive in (VARIABLE, CONSTANT):
            return self._matrix_form(task, self.converter.tree(node))
        if task.outer and is_contraction(node):
            return self._contract(task)
        if task.outer and is_sum(node):
            return self._add(task)
        if is_power(node):
            return self._power(task)
        if node.primitive.elementwise and node.operands:
            return self._elementwise(task)
        tree = self.converter.tree(node)
        if tree is not None:
            return self._matrix_form(task, tree)
        if is_contraction(node):
            return self._contract(task)
        return self._add(task) if is_sum(node) else self._call(task)

    def _bracketed(self, piece: Piece, level: int) -> str:
        return self.style.renderer.at_least(piece, level)

    def _matrix_form(self, task: _Task, tree: Tree | None) -> Steps:
        assert tree is not None
        piece = self.style.renderer.piece(tree)
        if not task.indices:
            return piece
        text = self._bracketed(piece, ATOM)
        return Piece(self.style.indexed(text, task.indices))
        yield task

    def _power(self, task: _Task) -> Steps:
        exponent: Fraction = task.node.param("exponent")
        base = yield _Task(task.node.operands[0], task.indices, task.used, False)
        magnitude = abs(exponent)
        if magnitude == Fraction(1, 2):
            raised = Piece(self.style.root(base.text))
        elif magnitude == 1:
            raised = base
        else:
            raised = Piece(self.style.raised(self._bracketed(base, ATOM), magnitude), POWER)
        if exponent > 0:
            return raised
        return Piece(self.style.quotient("1", [self._bracketed(raised, POWER)]), PRODUCT)

    def _elementwise(self, task: _Task) -> Steps:
        parts: dict[int, Piece] = {}
        for k, operand in enumerate(task.node.operands):
            parts[k] = yield _Task(operand, task.indices, task.used, False)
        return self._applied(task.node, list(parts.values()))

    def _applied(self, node: Expr, parts: list[Piece]) -> Piece:
        notation: Notation = node.primitive.notation_of(node)
        template: str = getattr(notation, self.style.template)
        arguments = [Argument(p.text, self._bracketed(p, ATOM)) for p in parts]
        named: dict[str, Any] = dict(zip(node.primitive.parameters, node.params, strict=False))
        return Piece(
            template.format(*arguments, **named), POWER if notation.level == "power" else ATOM
        )

    def _call(self, task: _Task) -> Steps:
        """A function of arrays without matrix form: its arguments have indices of their own."""
        parts: list[Piece] = []
        for operand in task.node.operands:
            own = tuple(_fresh(operand.ndim, task.used))
            parts.append((yield _Task(operand, own, task.used | set(own), False)))
        whole = self._applied(task.node, parts)
        return Piece(self.style.indexed(self._bracketed(whole, ATOM), task.indices))

    def _add(self, task: _Task) -> Steps:
        terms: list[tuple[tuple[object, ...], Fraction, Piece]] = []
        for coefficient, operand in zip(
            task.node.param("coefficients"), task.node.operands, strict=True
        ):
            piece = yield _Task(operand, task.indices, task.used, True)
            factor = Fraction(coefficient)
            if piece.text.startswith(self.style.sign):
                piece, factor = Piece(piece.text[len(self.style.sign) :], PRODUCT), -factor
            terms.append(((factor < 0, *self._term_key(operand, piece)), factor, piece))
        text = ""
        for key, factor, piece in sorted(terms, key=lambda term: term[0]):
            negative = bool(key[0])
            body = self._scaled(abs(factor), [self._bracketed(piece, PRODUCT)], []).text
            glue = self.style.minus if negative else self.style.plus
            if not text:
                glue = self.style.sign if negative else ""
            text += glue + body
        return Piece(text, SUM)

    def _term_key(self, operand: Expr, piece: Piece) -> tuple[object, ...]:
        tree = self.converter.tree(operand)
        if tree is None:
            return (-len(piece.factors), 0, piece.text)
        return (-tree.degree, tree.cost, piece.text)

    def _scaled(self, coefficient: Fraction, above: list[str], below: list[str]) -> Piece:
        top, bottom = abs(coefficient.numerator), coefficient.denominator
        above = [str(top), *above] if top != 1 or not above else above
        below = [str(bottom), *below] if bottom != 1 else below
        text = self.style.product(above)
        if below:
            text = self.style.quotient(text, below)
        if coefficient < 0:
            return Piece(self.style.sign + text, SUM)
        return Piece(text, PRODUCT, tuple(above))

    # ------------------------------------------------------------ contractions

    def _contract(self, task: _Task) -> Steps:
        whole = flattened(task.node, self.cuts)
        letters, deltas = _free_letters(whole, task.indices)
        colours = label_colours(whole)
        order = sorted(range(len(whole.operands)), key=lambda k: self._key(whole, k, colours))
        found = [a for k in order for a in whole.labels[k] if a not in letters]
        summed = list(dict.fromkeys(found))
        for label, letter in zip(summed, _fresh(len(summed), task.used), strict=True):
            letters[label] = letter
        used = task.used | set(letters.values())
        above = [self.style.delta(pair) for pair in deltas]
        below: list[str] = []
        for k in order:
            indices = tuple(letters[a] for a in whole.labels[k])
            operand, inverse = _denominator(whole.operands[k])
            outer = is_contraction(operand) and operand not in self.cuts
            piece = yield _Task(operand, indices, used, outer)
            (below if inverse else above).append(
                self._bracketed(piece, POWER if inverse else PRODUCT)
            )
        piece = self._scaled(whole.coefficient, [*map(self._extent, whole.extents), *above], below)
        return self._with_sums(piece, whole, summed, letters)

    def _extent(self, size: object) -> str:
        return str(size)

    def _with_sums(
        self, piece: Piece, whole: Contraction, summed: list[int], letters: dict[int, str]
    ) -> Piece:
        count = Counter(a for own in whole.labels for a in own)
        odd = [letters[a] for a in summed if count[a] != 2]
        if not odd:
            return piece
        sigma = self.style.summation(odd)
        if piece.text.startswith(self.style.sign):
            rest = piece.text[len(self.style.sign) :]
            return Piece(f"{self.style.sign}{sigma} {rest}", SUM)
        return Piece(f"{sigma} {piece.text}", PRODUCT, (sigma, *piece.factors))

    def _key(self, whole: Contraction, k: int, colours: dict[int, int]) -> tuple[object, ...]:
        operand, labels = whole.operands[k], whole.labels[k]
        tree = self.converter.tree(operand)
        label = tree.label if tree is not None else operand.name
        places = tuple(colours[a] for a in labels)
        return (len(labels) > 0, label.lower(), label, operand.digest, places, labels)


def _denominator(operand: Expr) -> tuple[Expr, bool]:
    """The base of a power -1, which goes below the line."""
    if is_power(operand) and operand.param("exponent") == -1:
        return operand.operands[0], True
    return operand, False


def _free_letters(
    whole: Contraction, indices: Indices
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """Letters of the output labels, and the pairs that a delta makes equal."""
    letters: dict[int, str] = {}
    deltas: list[tuple[str, str]] = []
    for label, letter in zip(whole.out, indices, strict=True):
        known = letters.setdefault(label, letter)
        if known != letter:
            deltas.append((known, letter))
    return letters, deltas
