"""Real values have four significant digits. So those above zero can be counted, as a space of them needs it."""

from __future__ import annotations

DIGITS = 4  # finer differences are far below the noise of a training


def nearest(number: float) -> int:
    """The number of the value of DIGITS digits that is nearest to one above zero."""
    digits, _, power = f"{number:.{DIGITS - 1}e}".partition("e")
    return (int(power) * 9 - 1) * 10 ** (DIGITS - 1) + int(digits.replace(".", ""))


def rounded(number: int) -> float:
    """The value of DIGITS digits with that number; the next number is the next value."""
    power, digits = divmod(number, 9 * 10 ** (DIGITS - 1))
    return float(f"{digits + 10 ** (DIGITS - 1)}e{power - DIGITS + 1}")
