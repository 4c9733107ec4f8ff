"""From an expression to a short list of instructions."""

from wengert.plan.instructions import Instruction, Plan
from wengert.plan.planner import make_plan

__all__ = ["Instruction", "Plan", "make_plan"]
