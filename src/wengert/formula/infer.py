"""Syntax tree to typed tree: what every name means, every part's orientation, and all sizes.

One pass in evaluation order makes drafts whose sizes may be unknown; when all equations between
sizes are solved, a second pass makes the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from wengert.assumptions import Assumption
from wengert.errors import FormulaError, NameClashError
from wengert.expr import Params
from wengert.formula.arguments import Application, bind
from wengert.formula.declarations import (
    AssumptionLike,
    Declarations,
    Declared,
    ShapeLike,
    Variable,
)
from wengert.formula.lexer import clip
from wengert.formula.names import transposed_names
from wengert.formula.operators import NUMBER, OPERATORS, SUM, VARIABLE
from wengert.formula.parser import parse
from wengert.formula.syntax import Call, Name, Number, Operation, Span, Statement, Sum, Syntax, Text
from wengert.formula.types import (
    SCALAR,
    FormulaShapeError,
    Orientation,
    Solver,
    Type,
    describe,
    name_sizes,
    named,
)
from wengert.formula.vocabulary import reserved, suggest
from wengert.formula.words import Node, Word
from wengert.shapes import Shape, Size, symbol

_SQUARE = frozenset(Assumption) - {Assumption.POSITIVE}
_SHOWN = 4


@dataclass(frozen=True)
class Elaborated:
    """A formula that is read and typed.

    Attributes
    ----------
    text : str
        As it was written.
    root : Node
        The typed tree.
    nodes : tuple of Node
        Every node once, operands before their users; the root is last.
    variables : tuple of Variable
        In order of first appearance.
    definitions : tuple of (str, Node)
        The named parts, in order.
    """

    text: str
    root: Node
    nodes: tuple[Node, ...]
    variables: tuple[Variable, ...]
    definitions: tuple[tuple[str, Node], ...]

    @property
    def orientation(self) -> Orientation:
        """``"scalar"``, ``"column"``, ``"row"``, ``"matrix"`` or ``"tensor"``."""
        return self.root.type.orientation

    @property
    def shape(self) -> Shape:
        """The shape of the value; a row's array has rank 1."""
        return self.root.shape


def elaborate(
    text: str,
    shapes: Mapping[str, ShapeLike] | None = None,
    assume: Mapping[str, AssumptionLike] | None = None,
) -> Elaborated:
    """Read a formula and find all its types.

    Parameters
    ----------
    text : str
        The formula: definitions, then an expression.
    shapes : mapping, optional
        Shapes of variables: ``()``, ``5``, ``"n"``, ``("m", 3)``, ``"vector"``, ``"tensor3"``.
        Variables not named go by their first letter, but one that is transposed is no scalar. A
        name used twice is one size.
    assume : mapping, optional
        Assumptions about variables, such as ``"symmetric"``.

    Returns
    -------
    Elaborated
        The typed tree and the variables.

    Examples
    --------
    >>> formula = elaborate("norm2(X*w - y)^2")
    >>> [(v.name, v.shape) for v in formula.variables], formula.shape
    ([('X', (m, n)), ('w', (n,)), ('y', (m,))], ())

    Raises
    ------
    FormulaError
        For anything that is not a formula; as FormulaShapeError (also a ShapeError) for shapes
        that do not fit.
    ShapeError, NameClashError
        For declarations that cannot be read, or are about no variable of the formula.
    """
    program = parse(text)
    elaborator = _Elaborator(text, shapes, assume, transposed_names(program))
    for statement in program.definitions:
        elaborator.define(statement)
    return elaborator.finish(program.result)


class _Draft:
    """A node whose sizes may still be unknown."""

    __slots__ = ("end", "operands", "params", "start", "type", "value", "word")

    def __init__(
        self,
        word: Word,
        operands: Sequence[_Draft],
        params: Params,
        type_: Type,
        value: Fraction | None,
        place: Span,
    ) -> None:
        self.word = word
        self.operands = operands
        self.params = params
        self.type = type_
        self.value = value
        self.start, self.end = place


@dataclass(slots=True)
class _Definition:
    draft: _Draft
    place: Span
    used: bool = False


class _Elaborator:
    """The state of one elaboration: names, drafts, equations between sizes."""

    def __init__(
        self,
        text: str,
        shapes: Mapping[str, ShapeLike] | None,
        assume: Mapping[str, AssumptionLike] | None,
        transposed: frozenset[str],
    ) -> None:
        self.text = text
        self.solver = Solver()
        self.declarations = Declarations(self.solver, shapes, assume, transposed)
        self.drafts: list[_Draft] = []
        self.variables: dict[str, tuple[_Draft, Declared]] = {}
        self.definitions: dict[str, _Definition] = {}
        self.sizes: dict[str, Span] = {}

    # ------------------------------------------------------------ statements

    def define(self, statement: Statement) -> None:
        """Enter a definition."""
        name, place = str(statement.name), statement.span
        if reserved(name) is not None:
            message = f"{name} is a word of the language; choose another name"
            raise FormulaError(message, self.text, *place)
        if name in self.definitions:
            message = f"{clip(name)} is defined twice; choose another name"
            raise FormulaError(message, self.text, *place)
        draft = self.walk(statement.body)
        if name in self.variables:
            first = self.variables[name][0]
            message = f"{clip(name)} is used before its definition is finished"
            raise FormulaError(message, self.text, first.start, first.end)
        self.definitions[name] = _Definition(draft, place)

    def finish(self, result: Statement) -> Elaborated:
        """Elaborate the last expression, solve the sizes, and make the nodes."""
        if result.name is not None:
            self.define(result)
            self.definitions[result.name].used = True
            root = self.definitions[result.name].draft
        else:
            root = self.walk(result.body)
        self._check_names()
        failed = self.solver.settle()
        if failed is not None:
            raise self._unsolved(*failed)
        return self._nodes(root)

    def _check_names(self) -> None:
        for name, definition in self.definitions.items():
            if not definition.used:
                message = f"{clip(name)} is defined but not used; remove it"
                near = suggest(name, list(self.variables))
                raise FormulaError(message + near, self.text, *definition.place)
        for name in self.declarations.names:
            if name not in self.variables:
                raise self._about_nothing(name)
        for name in self.declarations.symbols | set(self.sizes):
            if name in self.variables or name in self.definitions:
                raise self._doubled(name)

    def _about_nothing(self, name: str) -> NameClashError:
        if name in self.definitions:
            message = f"{clip(name)} is defined in the formula; its shape follows from there"
            return NameClashError(message)
        known = ", ".join(clip(variable) for variable in self.variables) or "none"
        return NameClashError(f"the formula has no variable {clip(name)}; it has: {known}")

    def _doubled(self, name: str) -> FormulaError:
        if name in self.variables:
            first = self.variables[name][0]
            place = first.start, first.end
        else:
            place = self.definitions[name].place
        message = f"{clip(name)} is the name of a size; choose another name here"
        return FormulaError(message, self.text, *place)

    # ------------------------------------------------------------ expressions

    def walk(self, root: Syntax) -> _Draft:
        """The draft of an expression, with explicit stacks."""
        results: list[_Draft] = []
        stack: list[tuple[Syntax, Application | None]] = [(root, None)]
        while stack:
            syntax, ready = stack.pop()
            if ready is None:
                ready = self._enter(syntax, results)
                if ready is None:
                    continue
                if ready.operands:
                    stack.append((syntax, ready))
                    stack.extend((operand, None) for operand in reversed(ready.operands))
                    continue
            count = len(results) - len(ready.operands)
            operands = results[count:]
            del results[count:]
            results.append(self._apply(syntax, ready, operands))
        return results[0]

    def _enter(self, syntax: Syntax, results: list[_Draft]) -> Application | None:
        """Append a leaf's draft to the results, or say which word is to be applied to what."""
        match syntax:
            case Name():
                return self._name(syntax, results)
            case Number():
                results.append(self._add(NUMBER, (), (), SCALAR, syntax.value, syntax.span))
                return None
            case Operation():
                return Application(OPERATORS[syntax.operator], syntax.operands)
            case Sum():
                return Application(SUM, syntax.terms, syntax.signs)
            case Call():
                if syntax.function in self.definitions:
                    raise self._called_variable(syntax)
                return bind(syntax, self.text)
            case Text():
                message = "a quoted text is the first argument of einsum only; a transpose is x'"
                raise FormulaError(message, self.text, *syntax.span)
            case _:
                raise AssertionError(f"unknown syntax {syntax!r}")

    def _called_variable(self, call: Call) -> FormulaError:
        name = clip(call.function)
        message = f"{name} is no function but a value defined before; for a product write {name}*"
        return FormulaError(message, self.text, call.start, call.function_end)

    def _name(self, syntax: Name, results: list[_Draft]) -> Application | None:
        name = syntax.name
        definition = self.definitions.get(name)
        if definition is not None:
            definition.used = True
            results.append(definition.draft)
            return None
        known = self.variables.get(name)
        if known is not None:
            results.append(known[0])
            return None
        word = reserved(name)
        if word is None:
            results.append(self._variable(syntax))
            return None
        if not word.bare:
            message = f"{name} is a function; write {word.signature}, or choose another name"
            raise FormulaError(message, self.text, *syntax.span)
        return Application(word, (), (None,) * len(word.parameters))

    def _variable(self, syntax: Name) -> _Draft:
        name = syntax.name
        declared = self.declarations.of(name)
        params: Params = (name, declared.assumptions)
        draft = self._add(VARIABLE, (), params, declared.type, None, syntax.span)
        self.variables[name] = (draft, declared)
        if not declared.assumptions.isdisjoint(_SQUARE):
            self._square(draft, min(declared.assumptions & _SQUARE))
        return draft

    def _square(self, draft: _Draft, promise: Assumption) -> None:
        """A matrix of which this is promised is square."""
        shape, place = draft.type.shape, (draft.start, draft.end)
        if len(shape) != 2 or not self.solver.unify(shape[0], shape[1], place):
            message = f"only square matrices can be {promise}"
            raise self.clash(message, "Declare its shape", [(draft, place)], place)

    def _apply(self, syntax: Syntax, application: Application, operands: list[_Draft]) -> _Draft:
        word = application.word
        site = _Site(self, syntax, application, operands)
        result = word.infer(site)
        value = None
        if word.fold is not None and not result.shape:
            values = [v for v in site.values if v is not None]
            if len(values) == len(operands):
                value = word.fold(values, site.params)
        return self._add(word, operands, site.params, result, value, syntax.span)

    def _add(
        self,
        word: Word,
        operands: Sequence[_Draft],
        params: Params,
        type_: Type,
        value: Fraction | None,
        place: Span,
    ) -> _Draft:
        draft = _Draft(word, operands, params, type_, value, place)
        self.drafts.append(draft)
        return draft

    # ------------------------------------------------------------ results

    def _names(self, more: Iterable[Shape] = ()) -> dict[str, Size]:
        """Names for the sizes that are still unknown."""
        shapes = [self.solver.resolve_shape(d.type.shape) for d, _ in self.variables.values()]
        shapes.extend(self.solver.resolve_shape(shape) for shape in more)
        taken = {*self.variables, *self.definitions, *self.sizes, *self.declarations.symbols}
        return name_sizes(shapes, frozenset(taken))

    def _nodes(self, root: _Draft) -> Elaborated:
        names = self._names([self.solver.all()])
        made: dict[int, Node] = {}
        for draft in self.drafts:
            made[id(draft)] = Node(
                draft.word,
                tuple([made[id(operand)] for operand in draft.operands]),
                draft.params,
                self._final(draft.type, names),
                draft.value,
                draft.start,
                draft.end,
            )
        variables = tuple(
            self._as_variable(name, made[id(draft)], declared)
            for name, (draft, declared) in self.variables.items()
        )
        definitions = tuple((name, made[id(d.draft)]) for name, d in self.definitions.items())
        return Elaborated(self.text, made[id(root)], tuple(made.values()), variables, definitions)

    def _final(self, type_: Type, names: dict[str, Size]) -> Type:
        if not type_.shape:
            return type_
        shape = self.solver.resolve_shape(type_.shape)
        return Type(type_.orientation, named(shape, names) if names else shape)

    @staticmethod
    def _as_variable(name: str, node: Node, declared: Declared) -> Variable:
        return Variable(name, node.shape, declared.assumptions, node.type.orientation)

    # ------------------------------------------------------------ errors about shapes

    def _unsolved(self, first: Size, second: Size, place: Span) -> FormulaShapeError:
        left, right = named((first, second), self._names([self.solver.all()]))
        message = f"the sizes {left} and {right} have to be equal here"
        return FormulaShapeError(f"{message}; declare the shapes", self.text, *place)

    def clash(
        self, message: str, remedy: str, operands: Sequence[tuple[_Draft, Span]], place: Span
    ) -> FormulaShapeError:
        """The error that says what each operand is, where its sizes came from, and the remedy."""
        drafts = [draft for draft, _ in operands]
        names = self._names(draft.type.shape for draft in drafts)
        parts = [self._shown(draft, clip(self.text[slice(*at)]), names) for draft, at in operands]
        within = [v for v in _variables_below(drafts) if v not in drafts][:_SHOWN]
        message = f"{message}: {', '.join(dict.fromkeys(parts))}"
        if within:
            origins = [self._shown(v, clip(str(v.params[0])), names) for v in within]
            message += f"; here {', '.join(origins)}"
        return FormulaShapeError(f"{message}. {remedy}" if remedy else message, self.text, *place)

    def _shown(self, draft: _Draft, source: str, names: dict[str, Size]) -> str:
        shape = named(self.solver.resolve_shape(draft.type.shape), names)
        shown = f"{source} is {describe(draft.type.orientation, shape)}"
        if draft.word is not VARIABLE:
            return shown
        origin = self.variables[str(draft.params[0])][1].origin
        given = self._given_by(draft.type.shape)
        return f"{shown} ({origin}{given})"

    def _given_by(self, shape: Shape) -> str:
        """The place from which a variable has a size that its letter does not give."""
        for size in shape:
            place = self.solver.reason(size)
            if place is not None:
                return f", sized by {clip(self.text[slice(*place)])}"
        return ""


def _variables_below(drafts: Sequence[_Draft]) -> Iterator[_Draft]:
    """The variables below some drafts, in order, looking at a few hundred nodes at most."""
    stack, seen = list(reversed(drafts)), set[int]()
    while stack and len(seen) < 400:
        draft = stack.pop()
        if id(draft) in seen:
            continue
        seen.add(id(draft))
        if draft.word is VARIABLE:
            yield draft
        stack.extend(reversed(draft.operands[:400]))


class _Site:
    """One use of a word; see :class:`wengert.formula.words.Site`."""

    __slots__ = ("_elaborator", "_operands", "_syntaxes", "params", "solver", "syntax", "types")

    def __init__(
        self,
        elaborator: _Elaborator,
        syntax: Syntax,
        application: Application,
        operands: Sequence[_Draft],
    ) -> None:
        self._elaborator = elaborator
        self._operands = operands
        self._syntaxes = application.operands
        self.params = application.params
        self.solver = elaborator.solver
        self.syntax = syntax
        self.types: Sequence[Type] = [operand.type for operand in operands]

    @property
    def values(self) -> Sequence[Fraction | None]:
        return [operand.value for operand in self._operands]

    def source(self, k: int) -> str:
        syntax = self._syntaxes[k]
        return clip(self._elaborator.text[syntax.start : syntax.end])

    def equal(self, first: tuple[int, int], second: tuple[int, int], rule: str) -> None:
        (i, a), (k, b) = first, second
        one, other = self.types[i].shape[a], self.types[k].shape[b]
        if not self.solver.unify(one, other, self.syntax.span):
            raise self.clash(rule, operands=(i,) if i == k else (i, k))

    def sized(self, name: str | int) -> Size:
        if isinstance(name, int):
            return name
        self._elaborator.sizes.setdefault(name, self.syntax.span)
        return symbol(name)

    def fail(self, message: str, k: int | None = None) -> FormulaError:
        places = self._syntaxes
        place = self.syntax if k is None or k >= len(places) else places[k]
        return FormulaError(message, self._elaborator.text, *place.span)

    def clash(
        self, message: str, remedy: str = "", operands: Sequence[int] = ()
    ) -> FormulaShapeError:
        chosen = operands or range(min(len(self._operands), _SHOWN))
        shown = [(self._operands[k], self._syntaxes[k].span) for k in chosen]
        return self._elaborator.clash(message, remedy, shown, self.syntax.span)
