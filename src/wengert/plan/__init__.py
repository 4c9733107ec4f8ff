"""From an expression to a short list of instructions."""

from wengert.plan.instructions import Instruction
from wengert.plan.planner import Plan, make_plan

__all__ = ["Instruction", "Plan", "make_plan"]
