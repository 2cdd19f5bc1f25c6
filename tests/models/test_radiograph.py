"""The radiographs: who is in which part, how files lie and are read, and the measures against those of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click import Command
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binom, binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from fisherlens.export.calibration.images import COUNTING, FITTING
from fisherlens.models.radiograph import SIDE, cohorts, dataset, evaluate, performance, publish, train
from fisherlens.models.radiograph.calibration import patients_apart
from fisherlens.models.radiograph.input import read
from fisherlens.models.radiograph.intervals import bootstrapped, share
from fisherlens.models.radiograph.picture import reliability_and_risk
from fisherlens.models.radiograph.readings import Readings

some_patients = st.lists(st.integers(0, 40), min_size=2, max_size=200).map(
    lambda of: np.array([f"person{n}" for n in of])
)


@given(some_patients)
def test_every_image_is_in_one_part_and_no_patient_in_two(patients: NDArray[np.str_]) -> None:
    masks = [dataset.of_part(patients, name) for name in dataset.SHARES]
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    parts = [set(patients[mask]) for mask in masks]
    assert sum(map(len, parts)) == len(set.union(*parts))


@given(some_patients.filter(lambda patients: len(set(patients)) > 1))
def test_calibration_fits_and_counts_patients_apart_and_counts_each_once(patients: NDArray[np.str_]) -> None:
    order = patients_apart(patients)
    fitting, counting = patients[order[FITTING]], patients[order[COUNTING]]
    assert len(set(order)) == len(order)
    assert len(fitting) == len(counting) == len(set(counting)) > 0
    assert set(fitting).isdisjoint(counting)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person23_bacteria_78.jpeg", "person23"),
        ("person23_virus_4.jpeg", "person23"),
        ("IM-0011-0001-0002.jpeg", "IM-0011"),
        ("NORMAL2-IM-0011-0001.jpeg", "NORMAL2-IM-0011"),
    ],
)
def test_a_patient_is_named_by_the_file(name: str, patient: str) -> None:
    assert dataset.patient_of(name) == patient


@pytest.mark.parametrize("name", ["00001280_004.jpeg", "person_1.jpeg", "IM-1.jpeg", "xperson1_virus_1.jpeg"])
def test_a_file_without_a_patient_in_its_name_is_refused(name: str) -> None:
    with pytest.raises(dataset.DatasetMissing, match=r"no patient in the name, expected personN_"):
        dataset.patient_of(name)


def write_children(folder: Path, normal: str, pneumonia: str) -> None:
    """Write a radiograph of each of 40 children, as grey JPEG files of sizes that differ, into folders of theirs."""
    rng = np.random.default_rng(0)
    for number in range(40):
        where, name = ((normal, f"IM-{number}-1.jpeg"), (pneumonia, f"person{number}_virus_1.jpeg"))[number % 2]
        path = folder / "kermany" / where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (230 + number, 240), np.uint8)).save(path)
        (path.parent / f"._{name}").write_bytes(b"Mac OS X")


def test_the_published_folders_are_read_as_those_that_were_moved_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "COUNT", 40)
    write_children(tmp_path / "moved", "normal", "pneumonia")
    write_children(tmp_path / "published", "chest_xray/train/NORMAL", "chest_xray/test/PNEUMONIA")
    moved, published = (dataset.part(tmp_path / name, "training") for name in ("moved", "published"))
    assert len(moved) == 22
    assert set(moved.classes.tolist()) == {0, 1}
    np.testing.assert_array_equal(np.char.startswith(moved.patients, "person"), moved.classes == 1)
    np.testing.assert_array_equal(published.patients, moved.patients)
    torch.testing.assert_close(published.images, moved.images, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(train.main, ["--weights", "members.pt"]), (publish.main, [__file__]), (evaluate.main, ["--bundle", __file__])],
    ids=["train", "publish", "evaluate"],
)
def test_without_images_a_command_says_where_to_get_them(
    command: Command, arguments: list[str], tmp_path: Path
) -> None:
    said = CliRunner().invoke(command, [*arguments, "--data", str(tmp_path)])
    assert said.exit_code == 1
    assert isinstance(said.exception, SystemExit)
    assert f"Error: {tmp_path}: no radiographs in it" in said.output
    assert "10.17632/rscbjbr9sj" in said.output


def test_other_images_than_the_published_ones_are_refused(tmp_path: Path) -> None:
    write_children(tmp_path, "normal", "pneumonia")
    with pytest.raises(dataset.DatasetMissing, match="40 radiographs, expected the 5856 that are published"):
        dataset.part(tmp_path, "evaluation")


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "COUNT", 40)
    write_children(tmp_path, "normal", "pneumonia")
    for path in (tmp_path / "kermany" / "normal").glob("IM*"):
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(dataset.DatasetMissing, match=r"kermany/normal/IM-\d+-1.jpeg: .* Replace the file"):
        dataset.part(tmp_path, "training")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "nih.csv: No such file"),
        ("file,age\n1_0.png,3\n", "expected columns file, findings, age"),
        ("file,findings,age\n2_0.png,No Finding,3\n", "no line for 1_0.png"),
        ("file,findings,age\n1_0.png,No Finding,003Y\n", "1_0.png: age 003Y, expected years"),
    ],
)
def test_a_table_that_does_not_tell_of_an_image_is_refused(tmp_path: Path, table: str | None, says: str) -> None:
    (tmp_path / "nih").mkdir()
    Image.fromarray(np.arange(10000, dtype=np.uint32).astype(np.uint8).reshape(100, 100)).save(tmp_path / "nih/1_0.png")
    if table is not None:
        (tmp_path / "nih.csv").write_text(table)
    with pytest.raises(dataset.DatasetMissing, match=says):
        cohorts.others(tmp_path)


def smooth(rows: int, columns: int) -> NDArray[np.uint8]:
    """Grey content without edges, as radiographs have it."""
    y, x = np.mgrid[:rows, :columns]
    return (128 + 60 * np.sin(x / 31) + 60 * np.cos(y / 23)).astype(np.uint8)


def test_a_file_of_three_components_is_read_as_its_luma(tmp_path: Path) -> None:
    path = tmp_path / "three.jpeg"
    Image.fromarray(smooth(2 * SIDE, 2 * SIDE)).convert("RGB").save(path, quality=90)
    luma = np.asarray(Image.open(path).convert("L"), float)
    quarters = luma.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(255 * read(path)[0, 0], quarters, atol=1.0)


def drawn(count: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences, and whether each prediction is right: less often than the confidence says."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1.0, count)
    return confidence, rng.random(count) < confidence - 0.1


def test_the_calibration_error_is_that_of_scikit_learns_calibration_curve() -> None:
    confidence, right = drawn(500)
    shares, means = calibration_curve(right, 2 * confidence - 1, n_bins=10)
    images, _ = np.histogram(confidence, performance.BINS)
    expected = np.sum(images * np.abs(shares - (means + 1) / 2)) / 500
    assert performance.expected_calibration_error(confidence, right) == pytest.approx(expected)


@pytest.mark.parametrize("confidence", [0.5, 0.55, 0.8, 1.0])
def test_equal_confidences_err_by_how_far_the_share_of_right_ones_is(confidence: float) -> None:
    right = np.arange(20) < 13
    assert performance.expected_calibration_error(np.full(20, confidence), right) == pytest.approx(
        abs(0.65 - confidence)
    )


def test_a_calibrated_predictor_errs_by_the_mean_deviation_of_the_binomial() -> None:
    expected = binom.expect(lambda k: np.abs(k / 50 - 0.8), (50, 0.8))
    assert performance.error_if_calibrated(np.full(50, 0.8)) == pytest.approx(expected, rel=0.05)


def test_the_brier_score_is_scikit_learns() -> None:
    probability, truth = drawn(200)
    assert performance.brier_score(probability, truth) == pytest.approx(brier_score_loss(truth, probability))


def test_selective_risks_are_those_counted_one_by_one() -> None:
    confidence, right = drawn(60)
    order = np.argsort(-confidence)
    expected = [np.mean(~right[order[:k]]) for k in range(1, 61)]
    np.testing.assert_allclose(performance.selective_risks(confidence, ~right), expected)
    for coverage in (0.05, 0.5, 0.95, 1.0):
        mask = performance.kept(confidence, coverage)
        assert mask.sum() == np.ceil(coverage * 60)
        assert np.mean(~right[mask]) == pytest.approx(expected[mask.sum() - 1])


def test_the_area_is_the_error_where_confidences_are_equal_and_least_where_they_tell_what_is_wrong() -> None:
    """The least of n images, w of them wrong, is the sum of (k - n + w) / k over the last w, over n."""
    wrong = np.arange(50) < 10
    assert performance.area_under_risk_coverage(np.full(50, 0.9), wrong) == pytest.approx(0.2)
    assert performance.kept(np.full(50, 0.9), 0.5).all()
    least = sum((k - 40) / k for k in range(41, 51)) / 50
    assert performance.area_under_risk_coverage(np.where(wrong, 0.6, 0.9), wrong) <= 0.2
    assert performance.area_under_risk_coverage(np.linspace(0.5, 1.0, 50), wrong) == pytest.approx(least)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 5))
def test_a_share_has_the_clopper_pearson_interval_of_as_many_patients(count: int, hits: int, images: int) -> None:
    """Of patients with one image, and of patients with several that are all alike."""
    hit = np.arange(count) < hits
    interval = binomtest(int(hit.sum()), count).proportion_ci(0.95, "exact")
    found = share(np.repeat(hit, images), np.repeat(np.arange(count), images))
    assert (found.value, found.low, found.high) == pytest.approx((hit.mean(), interval.low, interval.high), abs=1e-6)


def test_the_bootstrap_of_a_mean_is_as_wide_as_the_normal_interval_of_the_patients_means() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=200)
    patients, values = np.repeat(np.arange(200), 3), np.repeat(means, 3)
    found = bootstrapped(lambda numbers: float(values[numbers].mean()), patients)
    assert found.value == pytest.approx(means.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * means.std() / np.sqrt(200), rel=0.08)


def test_the_tables_and_the_picture_say_what_was_read() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(100) >= 40
    probability = np.clip(np.where(truth, 0.8, 0.2) + 0.25 * rng.standard_normal(100), 0.01, 0.99)
    flagged = np.arange(100) % 10 == 0
    found = Readings(probability, flagged, {"trace": flagged}, np.arange(100) // 2)
    normal, ill = (
        Readings(probability[one], flagged[one], {"trace": flagged[one]}, found.patients[one])
        for one in (~truth, truth)
    )
    right = np.mean((probability > 0.5) == truth)
    assert dict(evaluate.by_patient(normal, ill))["patients"] == "20 normal, 30 pneumonia"
    assert dict(evaluate.by_image(found, truth))["images right"].startswith(f"{100 * right:.1f} % (")
    alarms = dict(evaluate.false_alarms(found))
    assert alarms["images flagged"].startswith("10.0 % (")
    assert alarms["patients with any image flagged"].startswith("20.0 % (")
    assert evaluate.selective(found, truth).row_count == 7
    assert evaluate.told_of({"normal": normal, "ill": ill}).row_count == 2
    image = reliability_and_risk(found, truth)
    assert [axes.get_title() for axes in image.axes] == ["reliability (10 bins, with their images)", "selective risk"]
