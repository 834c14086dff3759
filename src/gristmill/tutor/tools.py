"""Tools for the tutor's world, so that what a model does with tools can be graded exactly.

A calculator, a calendar and a table of units, as plain functions: what they take is in their hints,
what they are for in their docstrings. `calls` says which of them a question takes.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

from .world import DAYS, MONTHS, UNITS, Question, step_calendar

__all__ = ["calculate", "calendar", "convert"]

LONGEST = 200
"""Characters of a sum."""

_OPERATIONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.UAdd: operator.pos, ast.USub: operator.neg,
}  # fmt: skip


def calculate(expression: str) -> int | float:
    """Work out a sum, exactly.

    Args:
        expression: Numbers with +, -, *, / and parentheses, such as "(47 + 38) * 2".
    """
    if len(expression) > LONGEST:
        raise ValueError(f"the expression has more than {LONGEST} characters")
    if not re.fullmatch(r"[\d\s.+*/()-]+", expression, re.ASCII):
        raise ValueError(f"'{expression}' has more in it than numbers, +, -, *, / and parentheses")
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, OverflowError):
        raise ValueError(f"'{expression}' cannot be worked out") from None
    except ZeroDivisionError:
        raise ValueError(f"'{expression}' divides by zero") from None
    return int(value) if value.denominator == 1 else float(value)


def calendar(start: str, steps: int) -> str:
    """Name the day or month that comes some steps after another.

    Args:
        start: A day of the week or a month, by its English name.
        steps: How many days or months after it; below 0 for before it.
    """
    name = start.strip().capitalize()
    if name not in (*DAYS, *MONTHS):
        raise ValueError(f"no day or month is called '{start}'")
    return step_calendar(name, steps)


def convert(
    amount: int, unit: Literal["hours", "minutes", "weeks", "metres", "dollars"]
) -> dict[str, int | str]:
    """Say how much an amount is in the next smaller unit.

    Args:
        amount: How many of the unit.
        unit: The unit that it is given in.
    """
    if unit not in UNITS:
        raise ValueError(f"unknown unit '{unit}'; known: {', '.join(UNITS)}")
    smaller, factor = UNITS[unit][:2]
    return {"amount": amount * factor, "unit": smaller}


def calls(question: Question) -> list[tuple[str, dict[str, Any]]]:
    """The calls that a question takes, in order; none where it is answered by looking at it.

    Of hours and minutes the first call gives the minutes that the second one adds to.
    """
    operands = question.operands
    if question.op in ("add", "subtract"):
        sign = "+" if question.op == "add" else "-"
        return [("calculate", {"expression": f"{operands[0]} {sign} {operands[1]}"})]
    if question.op in ("after", "before"):
        steps = int(operands[1]) if question.op == "after" else -int(operands[1])
        return [("calendar", {"start": str(operands[0]), "steps": steps})]
    if question.op == "convert":
        big, small, unit = int(operands[0]), int(operands[1]), str(operands[2])
        total = f"{big * UNITS[unit][1]} + {small}"
        return [
            ("convert", {"amount": big, "unit": unit}),
            ("calculate", {"expression": total}),
        ]
    return []


def _value(node: ast.AST) -> Fraction:
    """The value of a sum that was taken apart."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(str(node.value))
    if isinstance(node, ast.BinOp) and (made := _OPERATIONS.get(type(node.op))):
        return made(_value(node.left), _value(node.right))
    if isinstance(node, ast.UnaryOp) and (made := _OPERATIONS.get(type(node.op))):
        return made(_value(node.operand))
    raise SyntaxError  # `**`, `//`, a call
