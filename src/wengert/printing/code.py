"""Python code for an expression: a module that runs by itself.

Shared subexpressions become statements, once each; products are written with ``@`` where the
result is a vector or matrix, and with einsum elsewhere. A target is a table of imports, so that
other array libraries with NumPy's names can follow.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wengert.errors import WengertError
from wengert.expr import Expr, topological
from wengert.printing.definitions import fresh_names, uses
from wengert.printing.matrix import Conversion, Converter, kind_of
from wengert.printing.notation import matrix_notation
from wengert.printing.numpy import NumpyRenderer
from wengert.printing.tree import Symbol, Tree
from wengert.shapes import Shape

_INLINE = 60


@dataclass(frozen=True)
class Target:
    """Imports of an array library under the names that the templates use."""

    array: str
    special: str
    linalg: str


TARGETS = {
    "numpy": Target("import numpy as np", "from scipy import special", "from scipy import linalg"),
    "jax": Target(
        "import jax.numpy as np",
        "from jax.scipy import special",
        "from jax.scipy import linalg",
    ),
}


def numpy_code(
    expr: Expr, variables: Sequence[Expr], name: str = "f", *, target: str = "numpy"
) -> str:
    """A Python module with one function that computes the expression.

    Parameters
    ----------
    expr : Expr
        The expression.
    variables : sequence of Expr
        The function's arguments in order, used or not; sizes are read from their shapes.
    name : str
        The function's name.
    target : str
        ``"numpy"`` or ``"jax"``.

    Raises
    ------
    WengertError
        For an unknown target, or a size that no argument's shape gives.
    """
    if target not in TARGETS:
        known = ", ".join(TARGETS)
        raise WengertError(f"there is no code for {target!r}; known targets: {known}")
    writer = _Writer(expr, variables, name)
    return writer.module(TARGETS[target])


@dataclass
class _Writer:
    """Collects the statements of one function."""

    expr: Expr
    variables: Sequence[Expr]
    name: str
    statements: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        reserved = {"np", "special", "linalg", "dtype", self.name}
        self.arguments = {v: _argument(str(v.param("name")), reserved) for v in self.variables}
        self.size_names = self._size_names(reserved | set(self.arguments.values()))
        self.renderer = NumpyRenderer(self.size_names)

    def _size_names(self, taken: set[str]) -> dict[str, str]:
        symbols = sorted({s for v in self.variables for s in _symbols(v.shape)})
        return {s: s if s not in taken else s + "_size" for s in symbols}

    # ------------------------------------------------------------ statements

    def module(self, target: Target) -> str:
        """The text of the module."""
        result = self._body()
        code = "\n".join([*self.statements, result])
        head = [*self._conversions(code), *self._sizes()]
        body = "\n".join(f"    {line}" for line in [*head, *self.statements, f"return {result}"])
        special = [target.special] if "special." in body else []
        linalg = [target.linalg] if re.search(r"(?<![.\w])linalg\.", body) else []
        imports = "\n".join([target.array, *linalg, *special])
        signature = f"def {self.name}({', '.join(self.arguments.values())}):"
        return f"{imports}\n\n\n{signature}\n{self._docstring()}\n{body}\n"

    def _body(self) -> str:
        """Write the statements; the text of the result."""
        cuts: dict[Expr, Tree] = {}
        for variable, argument in self.arguments.items():
            named = Converter(Conversion()).tree(variable)
            assert isinstance(named, Symbol)
            cuts[variable] = replace(named, name=argument)
        converter = Converter(Conversion(cuts=cuts, einsum=True, flatten=False))
        count = uses(self.expr)
        names = fresh_names(self.expr, "t")
        for node in topological(self.expr):
            tree = converter.tree(node)
            if tree is None:
                raise WengertError(f"there is no code for the operation {node.name!r}")
            shared = count[node] > 1 or tree.size > _INLINE
            if node is self.expr or not node.operands or not shared or node in cuts:
                continue
            temporary = names.next()
            self.statements.append(f"{temporary} = {self.renderer.render(tree)}")
            converter.trees[node] = _symbol(node, temporary)
        tree = converter.trees[self.expr]
        assert tree is not None
        return self.renderer.result(tree, self.expr.shape)

    def _conversions(self, code: str) -> list[str]:
        arrays = [a for v, a in self.arguments.items() if v.ndim and v.dtype == "real"]
        if not arrays:
            return ["dtype = float"] if re.search(r"\bdtype\b", code) else []
        joined = ", ".join(arrays)
        lines = [f"dtype = np.result_type({joined}, np.float32)"]
        if len(arrays) == 1:
            return [*lines, f"{joined} = np.asarray({joined}, dtype)"]
        return [*lines, f"{joined} = (np.asarray(a, dtype) for a in ({joined}))"]

    def _sizes(self) -> list[str]:
        lines: list[str] = []
        for symbol, own in self.size_names.items():
            if symbol not in self.renderer.used_sizes:
                continue
            place = self._place(symbol)
            if place is None:
                raise WengertError(f"no argument has an axis of size {symbol} alone")
            lines.append(f"{own} = {place}")
        return lines

    def _place(self, symbol: str) -> str | None:
        for variable, argument in self.arguments.items():
            for axis, size in enumerate(variable.shape):
                if str(size) == symbol:
                    return f"{argument}.shape[{axis}]"
        return None

    # ------------------------------------------------------------ docstring

    def _docstring(self) -> str:
        formula = matrix_notation(self.expr) or f"{self.name}({', '.join(self.arguments.values())})"
        lines = [f'"""{formula}']
        if self.arguments:
            lines += ["", "Parameters", "----------"]
            lines += [f"{a} : {_described(v.shape)}" for v, a in self.arguments.items()]
        lines += ["", "Returns", "-------", _described(self.expr.shape), '"""']
        return "\n".join(f"    {line}".rstrip() for line in lines)


def _described(shape: Shape) -> str:
    if not shape:
        return "float"
    comma = "," if len(shape) == 1 else ""
    return f"array of shape ({', '.join(str(s) for s in shape)}{comma})"


def _symbols(shape: Shape) -> set[str]:
    found: set[str] = set()
    for size in shape:
        if not isinstance(size, int):
            found |= size.symbols()
    return found


def _symbol(node: Expr, name: str) -> Symbol:
    return Symbol(kind_of(node.shape), (), name)


def _argument(name: str, reserved: set[str]) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain + "_" if keyword.iskeyword(plain) or plain in reserved else plain
