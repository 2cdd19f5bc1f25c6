"""The legend beside a map's picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fisherlens.edge.maps.legend import enlargement, with_legend
from fisherlens.edge.maps.picture import laid_over
from fisherlens.edge.verdict import CompactMap


def compact(quantity: str = "variance, 1", low: float = 0.5, high: float = 2.5) -> CompactMap:
    return CompactMap(kind="fisher", quantity=quantity, cell=1, rows=1, columns=1, low=low, high=high, codes=b"x")


def picture(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (rows, columns, 3), np.uint8)


@pytest.mark.parametrize(
    ("rows", "columns", "times"),
    [(1024, 1024, 1), (512, 700, 1), (32, 32, 16), (64, 512, 2), (20, 1024, 1), (900, 3, 1)],
)
def test_the_picture_stays_as_it_is_in_its_corner(rows: int, columns: int, times: int) -> None:
    given = picture(rows, columns)
    assert enlargement(given.shape) == times
    drawn = with_legend(given, compact())
    assert drawn.shape[0] == max(512, rows * times)
    assert drawn.shape[1] > columns * times
    np.testing.assert_array_equal(drawn[: rows * times : times, : columns * times : times], given)


def test_the_scale_has_the_colours_that_the_map_has_over_an_image() -> None:
    drawn = with_legend(picture(1024, 1024), compact())
    legend = {tuple(colour) for colour in drawn[:, 1024:].reshape(-1, 3)}
    for code in (0, 128, 255):
        for grey in (235, 40):
            colour = laid_over(np.full((1, 1, 3), grey, np.uint8), np.full((1, 1), code, np.uint8))
            assert tuple(colour[0, 0]) in legend


def test_the_scale_goes_from_the_highest_value_down_to_the_lowest() -> None:
    """Bright at the top: inferno's brightness grows with the code."""
    drawn = cv2.cvtColor(with_legend(picture(1024, 1024), compact()), cv2.COLOR_BGR2GRAY)
    dark = drawn[:, 1024 + 90]
    scale = dark[(dark > 30) & (dark < 180)]
    assert scale[5] > scale[-5]


def test_other_values_other_words_and_any_letters_make_another_legend() -> None:
    given = picture(512, 512)
    first = with_legend(given, compact())
    for other in (compact(high=3.5), compact(quantity="µ-variance, 1/mm²"), compact(quantity="王 " * 200)):
        assert (with_legend(given, other) != first).any()
