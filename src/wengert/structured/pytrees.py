"""Structured arrays as pytrees of their stored arrays, so that transforms take and give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optree


def as_pytree(kind: type[Any], flatten: Callable[[Any], Any], restore: Callable[..., Any]) -> None:
    """Enter a class in the registry of pytrees.

    Parameters
    ----------
    kind : type
        The class.
    flatten : callable
        From an object to its stored arrays and what is kept of it besides.
    restore : callable
        The object of what was kept, and stored arrays.
    """
    everywhere: Any = optree.registry.__GLOBAL_NAMESPACE  # pyright: ignore
    optree.register_pytree_node(kind, flatten, restore, namespace=everywhere)
