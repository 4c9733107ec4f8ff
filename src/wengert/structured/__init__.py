"""Arrays that keep the structure of the derivatives they are."""

from wengert.structured.array import StructuredArray
from wengert.structured.grid import StructuredBlocks
from wengert.structured.layout import Layout, layout_of
from wengert.structured.running import Running, run, running

__all__ = [
    "Layout",
    "Running",
    "StructuredArray",
    "StructuredBlocks",
    "layout_of",
    "run",
    "running",
]
