"""Arrays that keep the structure of the derivatives they are."""

from wengert.structured.array import StructuredArray, computed, structured

__all__ = ["StructuredArray", "computed", "structured"]
