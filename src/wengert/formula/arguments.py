"""The arguments of a call, sorted into operands and literals by the word's parameters."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from wengert.errors import FormulaError
from wengert.expr import Params
from wengert.formula.lexer import clip
from wengert.formula.syntax import Call, Name, Number, Operation, Syntax, Text
from wengert.formula.vocabulary import lookup, suggest, unknown_function
from wengert.formula.words import Parameter, Word


@dataclass(frozen=True, slots=True)
class Application:
    """A word with the syntax of its operands and its literal parameters."""

    word: Word
    operands: tuple[Syntax, ...]
    params: Params = ()


def bind(call: Call, text: str) -> Application:
    """The word that a call means, with its arguments in place.

    Raises
    ------
    FormulaError
        For an unknown function, a wrong number of arguments, or a literal of the wrong kind.
    """
    word = lookup(call.function)
    if word is None:
        raise FormulaError(unknown_function(call.function), text, call.start, call.function_end)
    given = _by_name(word, call, text)
    _by_position(word, call, text, given)
    operands: list[Syntax] = []
    params: list[Hashable] = []
    for parameter in word.parameters:
        values = given.get(parameter.name, [])
        if not values and not parameter.optional:
            raise _wrong_number(word, call, text)
        if parameter.role == "array":
            operands.extend(values)
        else:
            params.extend(_literal(parameter, word, v, text) for v in values or [None])
    return Application(word, tuple(operands), tuple(params))


def _by_name(word: Word, call: Call, text: str) -> dict[str, list[Syntax]]:
    names = {parameter.name for parameter in word.parameters if parameter.role != "array"}
    given: dict[str, list[Syntax]] = {}
    for name, value in call.keywords:
        if name not in names:
            hint = suggest(name, sorted(names)) or f"; it is called as {word.signature}"
            message = f"{word.name} has no argument named {clip(name)}{hint}"
            raise FormulaError(message, text, value.start, value.end)
        if name in given:
            raise FormulaError(f"{name} is given twice", text, value.start, value.end)
        given[name] = [value]
    return given


def _by_position(word: Word, call: Call, text: str, given: dict[str, list[Syntax]]) -> None:
    slots = _slots(word)
    for value in call.arguments:
        parameter = next(slots, None)
        if parameter is None:
            raise _wrong_number(word, call, text)
        if parameter.name in given and not parameter.many:
            message = f"{parameter.name} is given twice"
            raise FormulaError(message, text, value.start, value.end)
        given.setdefault(parameter.name, []).append(value)


def _slots(word: Word) -> Iterator[Parameter]:
    for parameter in word.parameters:
        while parameter.many:
            yield parameter
        if not parameter.by_name:
            yield parameter


def _wrong_number(word: Word, call: Call, text: str) -> FormulaError:
    count = len(call.arguments) + len(call.keywords)
    arguments = "1 argument" if count == 1 else f"{count} arguments"
    message = f"{word.name} is called as {word.signature}; here it has {arguments}"
    if count == 2 and word.name in ("max", "min"):
        source = text[call.arguments[0].start : call.arguments[0].end]
        other = text[call.arguments[-1].start : call.arguments[-1].end]
        message += f"; for the {word.name}imum of two, entry by entry, write "
        message += f"{word.name}imum({clip(source)}, {clip(other)})"
    return FormulaError(message, text, call.start, call.end)


def _literal(parameter: Parameter, word: Word, value: Syntax | None, text: str) -> Hashable:
    """The value of an argument that is no operand; None if it is not given."""
    if value is None:
        return None
    number = _integer(value)
    match parameter.role:
        case "text" if isinstance(value, Text):
            return value.value
        case "size" if isinstance(value, Name):
            return value.name
        case "size" if number is not None and number > 0:
            return number
        case "axis" | "integer" if number is not None:
            return number
        case _:
            raise FormulaError(_expected(parameter, word), text, value.start, value.end)


def _integer(value: Syntax) -> int | None:
    if isinstance(value, Operation) and value.operator == "neg":
        inner = _integer_literal(value.operands[0])
        return None if inner is None else -inner
    return _integer_literal(value)


def _integer_literal(value: Syntax) -> int | None:
    if isinstance(value, Number) and value.value.denominator == 1 and value.value < 10**9:
        return value.value.numerator
    return None


def _expected(parameter: Parameter, word: Word) -> str:
    match parameter.role:
        case "text":
            return f'{word.name} begins with a quoted text: {word.name}("ijk,k->ij", T, x)'
        case "size":
            return f"{parameter.name} in {word.signature} is a size: a positive integer or a name"
        case _:
            return f"{parameter.name} in {word.signature} is an integer, written out"
