"""From an expression to a short list of instructions."""

from wengert.plan.instructions import Instruction, Plan
from wengert.plan.planner import make_plan
from wengert.plan.remembering import remembered
from wengert.plan.stacking import stacked_products

__all__ = ["Instruction", "Plan", "make_plan", "remembered", "stacked_products"]
