"""Kinds of values that options of the command have."""

from __future__ import annotations

import math
import re

import click

from .calibration.accepted import ANY


class Code(click.ParamType):
    """A code string of DICOM (PS3.5 table 6.2-1, CS), or any."""

    name = "code"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Give it in capitals, as codes are; "any" as it is."""
        if value.lower() == ANY:
            return ANY
        code = value.strip().upper()
        if not re.fullmatch(r"[A-Z0-9_ ]{1,16}", code):
            self.fail(f"{value!r}, expected a DICOM code of up to 16 letters, digits, blanks and _, or any", param, ctx)
        return code


class Bits(click.ParamType):
    """A number of bits, or any."""

    name = "bits"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Give the number, or "any" as it is."""
        text = str(value).lower()
        if text == ANY:
            return ANY
        if not (text.isdecimal() and 1 <= int(text) <= _MOST_BITS):
            self.fail(f"{value!r}, expected 1 to {_MOST_BITS}, or any", param, ctx)
        return int(text)


_MOST_BITS = 32


def ascending_limits(
    ctx: click.Context, param: click.Parameter, value: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Check that of two limits the first is above zero, and not above the second."""
    if value is not None and not 0 < value[0] <= value[1] < math.inf:
        raise click.BadParameter(f"{value[0]:g} to {value[1]:g} mm, expected LOW above 0 and HIGH not below LOW")
    return value
