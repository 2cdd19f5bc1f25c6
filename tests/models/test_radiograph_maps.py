"""Where a map lies on a radiograph, by maps and networks of which it is known; no radiograph is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats
from matplotlib.path import Path as Outline

from fisherlens.models.radiograph import SIDE
from fisherlens.models.radiograph.dataset import DatasetMissing
from fisherlens.models.radiograph.letters import burnt_in, place
from fisherlens.models.radiograph.lung_fields import lung_fields, outlines, parts
from fisherlens.models.radiograph.map_mass import changed
from fisherlens.models.radiograph.map_sets import map_sets
from fisherlens.models.study.map_shares import areas, shares


def test_every_pixel_belongs_to_one_part() -> None:
    np.testing.assert_array_equal(np.sum(list(parts().values()), axis=0), np.ones((SIDE, SIDE)))
    assert areas(parts()).min() > 0.01


@given(coarse=arrays(np.float32, (1, 1, 7, 7), elements=floats(-1, 1, width=32)).filter(np.any))
def test_shares_of_any_map_add_up_to_one(coarse: np.ndarray) -> None:
    found = shares(coarse.repeat(SIDE // 7, axis=2).repeat(SIDE // 7, axis=3), parts())
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0


def test_an_even_map_has_chance_on_each_part_and_a_map_of_one_part_lies_on_it_whole() -> None:
    where = parts()
    np.testing.assert_allclose(
        shares(np.full((SIDE, SIDE), -2.0), where), [mask.sum() / SIDE**2 for mask in where.values()]
    )
    for number, mask in enumerate(where.values()):
        np.testing.assert_array_equal(shares(mask * 0.5, where), np.eye(len(where))[number])


def test_the_outlines_that_are_drawn_are_those_of_the_fields_that_are_counted() -> None:
    """Matplotlib's own test of what lies within a polygon, at the centres of the pixels."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1)
    inside = np.any([Outline(line.T).contains_points(centres) for line in outlines()], axis=0).reshape(SIDE, SIDE)
    assert (inside != lung_fields()).mean() < 1e-3
    np.testing.assert_array_equal(lung_fields(), lung_fields()[:, ::-1])


def test_letters_change_the_image_at_their_place_alone() -> None:
    images = torch.full((2, 1, SIDE, SIDE), 0.25)
    difference = (burnt_in(images) - images)[:, 0].numpy()
    assert (difference[:, ~place()] == 0).all()
    assert difference[:, place()].max() == pytest.approx(0.65)
    assert 0.1 < (difference[0, place()] > 0.3).mean() < 0.6


def test_decisions_change_where_the_network_looks_and_nowhere_else() -> None:
    """A network that calls bright lung fields ill, on bright images whose baselines are dark."""
    lungs = torch.from_numpy(lung_fields())

    def predict(images: torch.Tensor) -> torch.Tensor:
        bright = images[:, 0, lungs].mean(dim=1)
        return torch.stack([1 - bright, bright], dim=1)

    images, baselines = torch.full((3, 1, SIDE, SIDE), 0.8), torch.full((3, 1, SIDE, SIDE), 0.1)
    found = {part: changed(predict, images, baselines, mask) for part, mask in parts().items()}
    assert found.pop("central lung fields") == (1.0, 0.0)
    assert set(found.values()) == {(0.0, 1.0)}


def test_a_folder_without_radiographs_says_where_they_are_published(tmp_path: Path) -> None:
    with pytest.raises(DatasetMissing, match=r"10\.17632/rscbjbr9sj"):
        map_sets(tmp_path, 2)
