"""Tokens to syntax tree: operator precedence with explicit stacks, so that depth costs nothing.

Precedence is MATLAB's, from tight to loose: transposes and powers (``' ^ .^``, from the left);
a sign in an exponent (``2^-1``); a sign (``-x^2`` is ``-(x^2)``); products (``* / .* ./``);
sums. Formulas are ``name = expression`` any number of times, then an expression, with ``;`` or
line breaks between.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from wengert.errors import FormulaError
from wengert.formula.lexer import Token, clip, number, superscript, tokenize
from wengert.formula.syntax import (
    Call,
    Name,
    Number,
    Operation,
    Program,
    Statement,
    Sum,
    Syntax,
    Text,
)

_PRODUCT, _SIGN, _POWER, _EXPONENT_SIGN = 2, 3, 4, 5
_BINARY = {
    "*": _PRODUCT,
    "/": _PRODUCT,
    ".*": _PRODUCT,
    "./": _PRODUCT,
    "^": _POWER,
    ".^": _POWER,
}
_OPERANDS = frozenset(("number", "name", "text", "(", "["))


def parse(text: str) -> Program:
    """Read a formula.

    Examples
    --------
    >>> program = parse("r = X*w - y; r'*r")
    >>> program.definitions[0].name, to_brackets(program.result.body)
    ('r', "((r')*r)")

    Raises
    ------
    FormulaError
        For anything that is not a formula, with a caret under the place.
    """
    return _Parser(text).program()


class _Frame:
    """What has been read since the last open bracket: finished terms, then pending operands."""

    __slots__ = (
        "arguments",
        "callee",
        "keyword",
        "keywords",
        "opener",
        "operators",
        "sign",
        "signs",
        "terms",
        "values",
    )

    def __init__(self, opener: Token | None = None, callee: Token | None = None) -> None:
        self.opener = opener
        self.callee = callee
        self.arguments: list[Syntax] = []
        self.keywords: list[tuple[str, Syntax]] = []
        self.reset()

    def reset(self) -> None:
        """Start the next argument or statement."""
        self.keyword: Token | None = None
        self.terms: list[Syntax] = []
        self.signs: list[int] = []
        self.sign = 1
        self.values: list[Syntax] = []
        self.operators: list[tuple[str, int, int]] = []

    @property
    def untouched(self) -> bool:
        """Whether nothing of the argument or statement has been read."""
        return not (self.terms or self.values or self.operators or self.keyword)

    def reduce(self, precedence: int) -> None:
        """Apply the pending operators that bind at least so tightly."""
        operators, values = self.operators, self.values
        while operators and operators[-1][1] >= precedence:
            operator, _, start = operators.pop()
            right = values.pop()
            if operator == "neg":
                values.append(Operation(start, right.end, "neg", (right,)))
            else:
                left = values.pop()
                values.append(Operation(left.start, right.end, operator, (left, right)))

    def end_term(self, sign: int) -> None:
        """Close a term of the sum; the next one has this sign."""
        self.reduce(_PRODUCT)
        self.terms.append(self.values.pop())
        self.signs.append(self.sign)
        self.sign = sign

    def finish(self) -> Syntax:
        """Close the whole sum."""
        self.end_term(1)
        terms = self.terms
        if len(terms) == 1:
            return terms[0]
        return Sum(terms[0].start, terms[-1].end, tuple(terms), tuple(self.signs))


class _Parser:
    """The tokens of one formula, the open brackets, and the statements read so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.position = 0
        self.frames = [_Frame()]
        self.statements: list[Statement] = []

    def program(self) -> Program:
        operand_due = True
        while True:
            token = self.tokens[self.position]
            self.position += 1
            if token.kind in ("$", ";"):
                self._end_statement(token, operand_due)
                operand_due = True
                if token.kind == "$":
                    return self._result()
            elif operand_due:
                operand_due = self._operand(token)
            else:
                operand_due = self._operator(token)

    # ------------------------------------------------------------ where an operand is due

    def _operand(self, token: Token) -> bool:
        """Read a token where an operand is due; gives whether one is still due."""
        frame, kind = self.frames[-1], token.kind
        if kind == "name":
            return self._name(frame, token)
        if kind == "number":
            value = number(token, self.text)
            frame.values.append(Number(token.start, token.end, value))
            return False
        if kind == "text":
            frame.values.append(Text(token.start, token.end, token.value))
            return False
        if kind in ("+", "-"):
            self._sign(frame, token)
            return True
        if kind in ("(", "["):
            self.frames.append(_Frame(token))
            return True
        if kind == ")" and self._is_empty_call(frame):
            self._close(frame, token)
            return False
        raise self._missing_operand(frame, token)

    def _name(self, frame: _Frame, token: Token) -> bool:
        following = self.tokens[self.position]
        if following.kind == "(":
            self.position += 1
            self.frames.append(_Frame(following, token))
            return True
        if following.kind == "=" and frame.untouched and (len(self.frames) == 1 or frame.callee):
            self.position += 1
            frame.keyword = token
            return True
        frame.values.append(Name(token.start, token.end, token.value))
        return False

    def _sign(self, frame: _Frame, token: Token) -> None:
        if token.kind == "-":
            in_exponent = bool(frame.operators) and frame.operators[-1][1] >= _POWER
            precedence = _EXPONENT_SIGN if in_exponent else _SIGN
            frame.operators.append(("neg", precedence, token.start))

    @staticmethod
    def _is_empty_call(frame: _Frame) -> bool:
        return bool(frame.callee) and frame.untouched and not (frame.arguments or frame.keywords)

    def _missing_operand(self, frame: _Frame, token: Token) -> FormulaError:
        before = self.tokens[self.position - 2] if self.position > 1 else None
        if before is not None and before.kind in _BINARY | {"+": 1, "-": 1}:
            place, message = before, f"{before.value} needs an operand on its right"
        elif token.kind in _BINARY:
            place, message = token, f"{token.value} needs an operand on its left"
        elif token.kind == "=":
            place, message = token, "= needs a name on its left, as in r = X*w - y"
        elif token.kind in (")", "]") and before is not None and before.kind in "([":
            place, message = token, "there is nothing between the brackets"
        elif token.kind in (",", ")") and before is not None and before.kind in (",", "("):
            place, message = token, "an argument is missing"
        else:
            place, message = token, f"an expression is missing before {token.value or 'the end'}"
        return FormulaError(message, self.text, place.start, place.end)

    # ------------------------------------------------------------ where an operator is due

    def _operator(self, token: Token) -> bool:
        """Read a token after an operand; gives whether an operand is due."""
        frame, kind = self.frames[-1], token.kind
        precedence = _BINARY.get(kind)
        if precedence is not None:
            frame.reduce(precedence)
            frame.operators.append((kind, precedence, token.start))
            return True
        if kind in ("+", "-"):
            frame.end_term(1 if kind == "+" else -1)
            return True
        if kind in ("'", "power"):
            self._postfix(frame, token)
            return False
        if kind in (")", "]"):
            self._close(frame, token)
            return False
        if kind == ",":
            self._comma(frame, token)
            return True
        raise self._missing_operator(token)

    def _postfix(self, frame: _Frame, token: Token) -> None:
        frame.reduce(_POWER)
        base = frame.values.pop()
        if token.kind == "'":
            result = Operation(base.start, token.end, "'", (base,))
        else:
            exponent = Number(token.start, token.end, Fraction(superscript(token)))
            result = Operation(base.start, token.end, "^", (base, exponent))
        frame.values.append(result)

    def _comma(self, frame: _Frame, token: Token) -> None:
        if frame.callee is None:
            message = "a comma separates the arguments of a function; there is none here"
            raise FormulaError(message, self.text, token.start, token.end)
        self._end_argument(frame)

    def _end_argument(self, frame: _Frame) -> None:
        value, keyword = frame.finish(), frame.keyword
        if keyword is not None:
            frame.keywords.append((keyword.value, value))
        elif frame.keywords:
            message = "arguments by position come before those by name"
            raise FormulaError(message, self.text, value.start, value.end)
        else:
            frame.arguments.append(value)
        frame.reset()

    def _close(self, frame: _Frame, token: Token) -> None:
        self.frames.pop()
        parent, callee = self.frames[-1], frame.callee
        if callee is None:
            start = frame.opener.start if frame.opener else token.start
            parent.values.append(replace(frame.finish(), start=start, end=token.end))
            return
        if not self._is_empty_call(frame):
            self._end_argument(frame)
        arguments, keywords = tuple(frame.arguments), tuple(frame.keywords)
        call = Call(callee.start, token.end, callee.value, callee.end, arguments, keywords)
        parent.values.append(call)

    def _missing_operator(self, token: Token) -> FormulaError:
        before = self.tokens[self.position - 2]
        if token.kind == "=":
            message = "= defines a name at the start of a statement, as in r = X*w - y; r'*r"
        elif token.kind == "[" and before.kind == "name":
            message = "indexing is not part of the language; for a product write *"
        elif token.kind in _OPERANDS:
            left, right = clip(before.value), clip(token.value)
            message = f"an operator is missing before {right}; for a product write {left}*{right}"
            if before.kind == "name" and token.kind not in ("(", "["):
                message += f", for a function {left}({right})"
        else:
            message = f"{clip(token.value)} is not expected here"
        return FormulaError(message, self.text, token.start, token.end)

    # ------------------------------------------------------------ statements

    def _end_statement(self, token: Token, operand_due: bool) -> None:
        frame = self.frames[0]
        if operand_due:
            if frame.untouched and (token.kind == "$" or self.statements):
                return
            raise self._empty_statement(frame, token)
        body, target = frame.finish(), frame.keyword
        if target is None:
            statement = Statement(body.start, body.end, None, body)
        else:
            statement = Statement(target.start, target.end, target.value, body)
        self.statements.append(statement)
        frame.reset()

    def _empty_statement(self, frame: _Frame, token: Token) -> FormulaError:
        if frame.keyword is not None and not (frame.terms or frame.values or frame.operators):
            message = f"{clip(frame.keyword.value)} = needs an expression on its right"
            return FormulaError(message, self.text, frame.keyword.start, frame.keyword.end)
        return self._missing_operand(frame, token)

    def _result(self) -> Program:
        if not self.statements:
            raise FormulaError("the formula is empty; write one, such as norm2(X*w - y)^2")
        *definitions, result = self.statements
        for statement in definitions:
            if statement.name is None:
                message = (
                    "only the last expression can be without a name; write r = ... here, or join "
                    "it to the next line"
                )
                raise FormulaError(message, self.text, statement.start, statement.end)
        return Program(self.text, tuple(definitions), result)


def to_brackets(root: Syntax) -> str:
    """The tree with every bracket written, for tests and messages."""
    pieces: list[str] = []
    stack: list[Syntax | str] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
        else:
            stack.extend(reversed(_brackets(item)))
    return "".join(pieces)


def _brackets(node: Syntax) -> list[Syntax | str]:
    match node:
        case Number():
            return [str(node.value)]
        case Text():
            return [f'"{node.value}"']
        case Name():
            return [node.name]
        case Sum():
            signs = ["+" if s > 0 else "-" for s in node.signs]
            pairs = zip(signs[1:], node.terms[1:], strict=True)
            return ["(", node.terms[0], *(part for pair in pairs for part in pair), ")"]
        case Operation(operator="neg"):
            return ["(-", node.operands[0], ")"]
        case Operation(operator="'"):
            return ["(", node.operands[0], "')"]
        case Operation():
            return ["(", node.operands[0], node.operator, node.operands[1], ")"]
        case Call():
            keywords = [part for name, value in node.keywords for part in (f",{name}=", value)]
            arguments = [part for value in node.arguments for part in (",", value)]
            return [f"{node.function}(", *[*arguments, *keywords][1:], ")"]
        case _:
            return ["?"]
