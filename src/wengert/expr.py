"""The expression node: frozen and hash-consed, so that structural equality is identity.

Axes are positional. A node holds a primitive, operands, hashable parameters and a shape; its
``digest`` is a structural hash that is the same in every process and gives canonical orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, final
from weakref import WeakValueDictionary

from wengert.locks import process_lock
from wengert.shapes import Shape

if TYPE_CHECKING:
    from wengert.primitive import Primitive

Params = tuple[Any, ...]


@final
class Expr:
    """One node of the expression graph; build it with :func:`make`, never directly.

    Attributes
    ----------
    primitive : Primitive
        The operation.
    operands : tuple of Expr
        Its operands.
    params : tuple
        Hashable parameters, named by ``primitive.parameters``.
    shape : tuple of Size
        Sizes are integers or symbols.
    dtype : str
        ``"real"``; traced programs also have ``"int"`` and ``"bool"``.
    digest : int
        Structural 64-bit hash, stable across processes.
    facts : dict
        Memo of pure functions of the node (its transpose, its symmetry).
    """

    __slots__ = (
        "__weakref__",
        "digest",
        "dtype",
        "facts",
        "operands",
        "params",
        "primitive",
        "shape",
    )

    primitive: Primitive
    operands: tuple[Expr, ...]
    params: Params
    shape: Shape
    dtype: str
    digest: int
    facts: dict[str, Any]

    def __init__(self) -> None:
        raise TypeError("build expressions with wengert.expr.make")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("expressions are frozen")

    @property
    def ndim(self) -> int:
        """The rank."""
        return len(self.shape)

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.primitive.name

    def param(self, name: str) -> Any:
        """The parameter of that name."""
        return self.params[self.primitive.parameters.index(name)]

    def __repr__(self) -> str:
        inner = [
            *(repr(p) for p in self.params),
            *(o.name if o.operands else repr(o) for o in self.operands),
        ]
        return f"{self.name}({', '.join(inner)})"


_interned: WeakValueDictionary[tuple[Any, ...], Expr] = WeakValueDictionary()
_lock = process_lock()  # the text of a parameter may make nodes


def make(
    primitive: Primitive,
    operands: tuple[Expr, ...],
    params: Params,
    shape: Shape,
    dtype: str = "real",
) -> Expr:
    """The one node with these parts, made if it does not exist yet."""
    key = (primitive, operands, params, shape, dtype)
    with _lock:  # one look-up: the hash of a key with fractions costs more than the lock
        node = _interned.get(key)
        if node is None:
            node = _interned[key] = _fresh(primitive, operands, params, shape, dtype)
        return node


def _fresh(
    primitive: Primitive, operands: tuple[Expr, ...], params: Params, shape: Shape, dtype: str
) -> Expr:
    node = object.__new__(Expr)
    put = object.__setattr__
    put(node, "primitive", primitive)
    put(node, "operands", operands)
    put(node, "params", params)
    put(node, "shape", shape)
    put(node, "dtype", dtype)
    text = f"{primitive.name}{params}{shape}{dtype}{[o.digest for o in operands]}"
    put(node, "facts", {})
    put(node, "digest", int.from_bytes(blake2b(text.encode(), digest_size=8).digest()))
    return node


def interned_count() -> int:
    """How many nodes are alive (for leak tests)."""
    return len(_interned)


def topological(*roots: Expr) -> list[Expr]:
    """Every node below the roots once, operands before their users, without recursion."""
    order: list[Expr] = []
    seen: set[Expr] = set()
    stack: list[tuple[Expr, Iterator[Expr]]] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack.append((root, iter(root.operands)))
        while stack:
            node, rest = stack[-1]
            for operand in rest:
                if operand not in seen:
                    seen.add(operand)
                    stack.append((operand, iter(operand.operands)))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def below(root: Expr) -> Iterator[Expr]:
    """The root and all nodes below it, leaves early: to be left when one of a kind is found."""
    seen, stack = {root}, [root]
    while stack:
        node = stack.pop()
        yield node
        for operand in node.operands:
            if operand not in seen:
                seen.add(operand)
                stack.append(operand)


def depending(order: Iterable[Expr], leaves: set[Expr]) -> set[Expr]:
    """The real nodes of a topological order that depend on any of the leaves (leaves included).

    What is discrete (indices, comparisons) passes no derivative on.
    """
    found: set[Expr] = set()
    for node in order:
        if node in leaves or (node.dtype == "real" and any(o in found for o in node.operands)):
            found.add(node)
    return found


def rebuild(
    root: Expr, transform: Callable[[Expr, tuple[Expr, ...]], Expr], memo: dict[Expr, Expr]
) -> Expr:
    """Apply ``transform(node, new_operands)`` bottom-up; ``memo`` keeps results and overrides."""
    stack = [root]
    while stack:
        node = stack[-1]
        if node in memo:
            stack.pop()
            continue
        missing = [o for o in node.operands if o not in memo]
        if missing:
            stack.extend(missing)
            continue
        memo[node] = transform(node, tuple(memo[o] for o in node.operands))
        stack.pop()
    return memo[root]
