"""Why an image is flagged: the features that are named are the graph's, and outside of the ranges beside them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fisherlens.edge import Runtime
from fisherlens.edge.bundle import bundle_of
from fisherlens.edge.bundle.manifest import CALIBRATION_KEY, METADATA_KEY, Calibration, Watched
from fisherlens.edge.errors import BundleRefused
from fisherlens.edge.evidence import MOST, Part, WatchedFeatures, in_words, reasons_alone
from fisherlens.edge.verdict import CheckResult, Evidence, Verdict

from ..bundles import usual_image


def bright_corner(seed: int) -> np.ndarray:
    image = usual_image(seed)
    image[:8, :8] = 4095
    return image


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4096, (32, 32)).astype(np.uint16)


def calibration(path: Path) -> Calibration:
    held = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return msgspec.json.decode(held[CALIBRATION_KEY], type=Calibration)


@pytest.mark.parametrize("unusual", [bright_corner, noise])
def test_a_flag_names_features_of_the_graph_that_are_outside_of_the_range_beside_them(
    unusual: type, ensemble_bundle: Path
) -> None:
    runtime, ranges = Runtime.open(ensemble_bundle), calibration(ensemble_bundle).ranges
    pixels = unusual(1000)
    verdict = runtime.score(pixels)
    image = pixels.astype(np.float32)[None, None] * np.float32(runtime.bundle.manifest.input.scale)
    deviation = runtime.bundle.run(image, explain=False)["deviation"].tolist()
    assert verdict.outcome == "flagged"
    (check,) = [check for check in verdict.checks if check.flagged]
    watched = next(one.watched for one in runtime.bundle.manifest.checks if one.name == check.name)
    features = [(part.layer, part.quantity, channel + 1) for part in watched for channel in range(part.count)]
    assert 1 <= len(check.evidence) <= MOST
    for one in check.evidence:
        index = features.index((one.layer, one.quantity, one.channel))
        assert one.deviation == deviation[index]
        assert (one.low, one.high) == ranges[check.name][index]
        assert not one.low <= deviation[index] <= one.high
        assert ("high" if deviation[index] > one.high else "low") in one.text
        assert f"(usual images {one.low:.2f} to {one.high:.2f})" in one.text
        assert one.text in verdict.reasons[0]
    (alone,) = reasons_alone(verdict)
    assert verdict.reasons[0].startswith(alone)
    assert alone.endswith(f"alpha = {check.alpha:.2g})")


def test_layers_and_members_are_counted_from_1_in_words(ensemble_bundle: Path) -> None:
    (check,) = [check for check in Runtime.open(ensemble_bundle).score(noise(0)).checks if check.evidence]
    of_layers = [one for one in check.evidence if one.layer != "image"]
    assert all(one.text.startswith("image: ") for one in check.evidence if one.layer == "image")
    for one in of_layers:
        member = int(one.layer.partition("member")[2].lstrip()[0])
        assert one.text.startswith(f"member {member + 1}, ")
        names = ("features.0", "features.2", "head")
        number = next((i + 1 for i, name in enumerate(names) if name in one.layer), None)
        place = f"layer {number} of 3" if number else "output"
        assert (f"input of {place}" if one.layer.startswith("input of") else place) in one.text


def test_a_single_network_has_no_members(classifier_bundle: Path) -> None:
    verdict = Runtime.open(classifier_bundle).score(noise(0))
    texts = [one.text for check in verdict.checks for one in check.evidence]
    assert texts
    assert not any("member" in text for text in texts)


def test_what_does_not_flag_has_no_evidence(ensemble_bundle: Path) -> None:
    verdicts = [Runtime.open(ensemble_bundle).score(image) for image in (usual_image(3), noise(1))]
    assert {check.flagged for verdict in verdicts for check in verdict.checks} == {True, False}
    for check in (check for verdict in verdicts for check in verdict.checks):
        assert bool(check.evidence) == check.flagged


def test_bundles_of_before_score_without_evidence(ensemble_bundle: Path) -> None:
    """They have no output `deviation`, and watch nothing."""
    model = onnx.load(ensemble_bundle)
    (output,) = [output for output in model.graph.output if output.name == "deviation"]
    model.graph.output.remove(output)
    entries = {entry.key: entry for entry in model.metadata_props}
    described, held = (json.loads(entries[key].value) for key in (METADATA_KEY, CALIBRATION_KEY))
    for check in described["checks"]:
        del check["watched"]
    del held["ranges"]
    entries[METADATA_KEY].value, entries[CALIBRATION_KEY].value = json.dumps(described), json.dumps(held)
    before = Runtime(bundle_of(Path("before.onnx"), model.SerializeToString()))
    now, then = Runtime.open(ensemble_bundle).score(noise(0)), before.score(noise(0))
    assert then.outcome == now.outcome == "flagged"
    assert not any(check.evidence for check in then.checks)
    assert then.reasons == reasons_alone(now)


def test_records_of_before_are_read(ensemble_bundle: Path) -> None:
    verdict = Runtime.open(ensemble_bundle).score(noise(0))
    record = msgspec.to_builtins(verdict)
    assert msgspec.convert(record, Verdict) == verdict
    for check in record["checks"]:
        del check["evidence"]
    assert [check.evidence for check in msgspec.convert(record, Verdict).checks] == [[] for _ in verdict.checks]


def test_a_bundle_whose_ranges_are_not_those_of_its_features_is_refused(ensemble_bundle: Path) -> None:
    model = onnx.load(ensemble_bundle)
    (entry,) = [entry for entry in model.metadata_props if entry.key == CALIBRATION_KEY]
    held = msgspec.json.decode(entry.value, type=Calibration)
    held.ranges["cascade"].pop()
    entry.value = msgspec.json.encode(held).decode()
    with pytest.raises(BundleRefused, match=r"check cascade watches \d+ features, ranges of \d+"):
        bundle_of(ensemble_bundle, model.SerializeToString())
    entry.value = msgspec.json.encode(Calibration(statistics=held.statistics)).decode()
    verdict = Runtime(bundle_of(ensemble_bundle, model.SerializeToString())).score(noise(0))
    assert verdict.outcome == "flagged"
    assert not any(check.evidence for check in verdict.checks), "no range, nothing to hold a feature against"


COUNTS = (3, 1, 4, 2)
PLACES = ("layer 1", "layer 2", "layer 1", "layer 1")
"""The last part is another member's layer 1."""
FIRST = 2
"""Features of another check, in front of these."""
VALUES = st.floats(-50, 50, width=32)


@st.composite
def usual(draw: st.DrawFn) -> np.ndarray:
    ends = draw(arrays(np.float64, (sum(COUNTS), 2), elements=VALUES))
    return np.sort(ends, axis=1)


@settings(deadline=None)
@given(
    deviations=arrays(np.float32, FIRST + sum(COUNTS), elements=VALUES | st.sampled_from([np.nan, np.inf, 0.0])),
    ranges=usual(),
)
def test_what_is_named_is_the_furthest_of_each_place_and_quantity(deviations: np.ndarray, ranges: np.ndarray) -> None:
    quantities = ("mean", "mean", "score", "mean")
    firsts = FIRST + np.cumsum([0, *COUNTS])
    parts = tuple(
        Part(Watched(layer=f"{number}", quantity=quantity, count=count), int(first), "", place)
        for number, (quantity, count, first, place) in enumerate(zip(quantities, COUNTS, firsts, PLACES, strict=False))
    )
    named = WatchedFeatures(parts, ranges).evidence(deviations)
    own = deviations[FIRST:]
    beyond = np.where(np.isfinite(own), np.maximum(own - ranges[:, 1], ranges[:, 0] - own), np.inf)
    far = np.maximum(beyond, 0) if (beyond > 0).any() else np.abs(own)
    kinds = [
        kind for kind, count in zip(zip(PLACES, quantities, strict=True), COUNTS, strict=True) for _ in range(count)
    ]
    furthest = {kind: max(f for k, f in zip(kinds, far, strict=True) if k == kind) for kind in kinds}
    expected = sorted((f for f in furthest.values() if f > 0), reverse=True)[:MOST]
    indices = [int(firsts[int(one.layer)]) - FIRST + one.channel - 1 for one in named]
    assert [far[index] for index in indices] == expected
    assert len({kinds[index] for index in indices}) == len(indices)
    for one, index in zip(named, indices, strict=True):
        assert one.deviation == (own[index] if np.isfinite(own[index]) else None)
        assert (one.low, one.high) == tuple(ranges[index])
    outside = bool((beyond > 0).any())
    assert in_words(named).startswith(". Outside" if outside else ". No feature alone" if named else "")


def test_a_record_with_a_deviation_that_is_no_number_is_json_again() -> None:
    part = Part(Watched(layer="layer", quantity="mean response", count=2), 0, "member 1", "layer 1 of 3")
    (one,) = WatchedFeatures((part,), np.zeros((2, 2))).evidence(np.array([0.0, np.nan], np.float32))
    assert (
        one.text
        == "member 1, layer 1 of 3, channel 2 of 2: mean response is no finite number (usual images 0.00 to 0.00)"
    )
    check = CheckResult(name="c", statistic=None, p_value=0.1, alpha=0.2, flagged=True, evidence=[one])
    assert msgspec.json.decode(msgspec.json.encode(check), type=CheckResult) == check
    assert isinstance(check.evidence[0], Evidence)
