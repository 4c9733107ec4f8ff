"""Arrays that keep the structure of the derivatives they are."""

from wengert.structured.array import StructuredArray
from wengert.structured.grid import StructuredBlocks
from wengert.structured.layout import Layout, layout_of

__all__ = ["Layout", "StructuredArray", "StructuredBlocks", "layout_of"]
