from datetime import date
from typing import Literal


def convert(amount: float, unit: Literal["km", "mi"]) -> dict[str, float]:
    """Convert between kilometres and miles.

    Args:
        amount: How many.
        unit: What they are now.
    """
    if amount < 0:
        raise ValueError("a distance is not negative")
    if unit == "km":
        return {"mi": round(amount / 1.609344, 1)}
    return {"km": round(amount * 1.609344, 1)}


def weekday(day: str) -> str:
    """The day of the week of a date, YYYY-MM-DD."""
    return date.fromisoformat(day).strftime("%A")
