"""Results in words, against the examples of the GUM, and properties that must hold."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fisherlens.edge.verdict import gum_text


@pytest.mark.parametrize(
    ("value", "u", "factor", "expected"),
    [
        # JCGM 100:2008, 7.2.4: U = ku from u = 0.35 mg and k = 2.26.
        (100.02147, 0.00035, 2.26, "(100.02147 ± 0.00079) g, k = 2.26, 95 %"),
        # Values from 7.2.6 rounded so: 10.057 62 ohm with 27 mohm is 10.058.
        (10.05762, 0.027, 1.0, "(10.058 ± 0.027) g, k = 1.00, 95 %"),
        (12345.0, 678.0, 2.0, "(12300 ± 1400) g, k = 2.00, 95 %"),
        (0.5, 0.0995, 1.0, "(0.50 ± 0.10) g, k = 1.00, 95 %"),
    ],
)
def test_results_are_written_as_the_gum_does(value: float, u: float, factor: float, expected: str) -> None:
    assert gum_text(value, u, "g", factor, 0.95) == expected


@settings(deadline=None)
@given(
    value=st.floats(-1e6, 1e6), u=st.floats(1e-6, 1e5), factor=st.floats(0.5, 4.0), probability=st.floats(0.5, 0.999)
)
def test_the_written_value_is_within_half_a_last_digit_of_u(
    value: float, u: float, factor: float, probability: float
) -> None:
    match = re.match(r"\((-?[\d.]+) ± ([\d.]+)\) mm", gum_text(value, u, "mm", factor, probability))
    assert match
    step = 10.0 ** (math.floor(math.log10(factor * u)) - 1)
    assert abs(float(match[1]) - value) <= 5.01 * step
    assert float(match[2]) == pytest.approx(factor * u, abs=5.01 * step)


def test_a_dimensionless_result_has_no_unit() -> None:
    assert gum_text(0.5, 0.01, "1", 2.0, 0.95) == "(0.500 ± 0.020), k = 2.00, 95 %"
