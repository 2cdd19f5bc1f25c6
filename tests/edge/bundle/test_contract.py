"""CONTRACT.md says what is so: its tables against bundles, its steps and formulas as its reader would write them."""

from __future__ import annotations

import itertools
import re
import types
import typing
import zlib
from base64 import b64decode
from collections.abc import Iterator
from math import floor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
import onnx
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.edge.bundle.golden import Golden, self_test
from fisherlens.edge.bundle.manifest import (
    CALIBRATION_KEY,
    FORMAT,
    GOLDEN_KEY,
    METADATA_KEY,
    Calibration,
    Check,
    Input,
    Manifest,
)
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Frame, open_image
from fisherlens.edge.runtime import Runtime
from fisherlens.models import form, mammography
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ...bundles import run, usual_image

PAGE = (Path(__file__).parents[3] / "edge" / "bundle" / "CONTRACT.md").read_text()
ROOTS = (Manifest, Golden, Calibration)
ENTRIES = {METADATA_KEY: "Manifest", GOLDEN_KEY: "Golden", CALIBRATION_KEY: "Calibration"}
DTYPES = {"float32": onnx.TensorProto.FLOAT, "bool": onnx.TensorProto.BOOL, "uint8": onnx.TensorProto.UINT8}
FORMULA = re.compile(r"\[(.*?)\]")


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading by the name in their first column."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row[1:] for row in rows if row[0].startswith("`")}


@pytest.fixture(scope="module")
def segmentation_bundle(usual_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of classes."""
    path = tmp_path_factory.mktemp("segmentation") / "classes.onnx"
    network = ("tests.networks:segmentation", "--network-output", 0, "--head", "softmax")
    run("export", *network, "--images", usual_folder, "-o", path)
    return path


@pytest.fixture(scope="module")
def bundles(ensemble_bundle: Path, classifier_bundle: Path, segmentation_bundle: Path) -> list[Path]:
    """Bundles of vectors and images, of measurands and classes."""
    return [ensemble_bundle, classifier_bundle, segmentation_bundle, form.BUNDLE, mammography.BUNDLE]


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def golden_outputs(bundle: Bundle, explain: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The golden vectors of a bundle, and the graph's outputs on their image, both as the page says."""
    held = msgspec.json.decode(metadata(bundle.path)[GOLDEN_KEY])
    codes = np.frombuffer(zlib.decompress(b64decode(held["codes"])), np.uint8).reshape(held["shape"])
    image = np.float32(held["low"]) + np.float32(held["step"]) * codes.astype(np.float32)
    names = [output.name for output in bundle.session.get_outputs()]
    arrays = bundle.session.run(names, {"image": image, "explain": np.array(explain)})
    return held, dict(zip(names, arrays, strict=True))


def test_a_bundle_is_the_file_that_is_described(bundles: list[Path]) -> None:
    ir_version, opset = re.search(r"IR version (\d+), opset (\d+)", PAGE).groups()  # type: ignore[union-attr]
    for path in bundles:
        model = onnx.load(path, load_external_data=False)
        assert (model.ir_version, [(o.domain, o.version) for o in model.opset_import]) == (
            int(ir_version),
            [("", int(opset))],
        )
        assert not model.functions
    assert table("Manifest")["format"][-1].endswith(f": {FORMAT}")


def test_inputs_are_those_of_the_table(bundles: list[Path]) -> None:
    expected = {name: (DTYPES[row[0]], row[1]) for name, row in table("Inputs").items()}
    for path in bundles:
        model = onnx.load(path)
        told = {value.name: value.type.tensor_type for value in model.graph.input}
        assert {name: kind.elem_type for name, kind in told.items()} == {n: dtype for n, (dtype, _) in expected.items()}
        channels = open_bundle(path).manifest.input.samples_per_pixel
        image, explain = ([side.dim_value for side in told[name].shape.dim] for name in ("image", "explain"))
        assert image[:2] == [1, channels]
        assert min(image) > 0, "static"
        assert explain == []


def test_outputs_are_those_of_the_table_with_its_dtypes_and_shapes(bundles: list[Path]) -> None:
    """Each symbol of a shape is the same length throughout a bundle, and each shape of the table occurs."""
    rows, seen = table("Outputs"), set()
    for path in bundles:
        bundle = open_bundle(path)
        manifest = bundle.manifest
        expected = {"all", "classes" if manifest.classes else "measurands"}
        names = {n for n, r in rows.items() if r[3] in expected}
        watched = sum(part.count for check in manifest.checks for part in check.watched)
        given = {output.name for output in bundle.session.get_outputs()}
        assert given in ((names,) if watched else (names, names - {"deviation"})), "bundles of before have none"
        for explain in (True, False):
            lengths = {
                "D": len(manifest.measurands),
                "K": len(manifest.classes),
                "N": len(manifest.checks),
                "F": watched,
            }
            lengths |= {"rows": manifest.map.rows, "columns": manifest.map.columns}
            for name, array in golden_outputs(bundle, explain)[1].items():
                assert array.dtype == rows[name][0], name
                told = next(o.type.tensor_type for o in onnx.load(path).graph.output if o.name == name)
                assert told.elem_type == DTYPES[rows[name][0]]
                fitting = [shape for shape in FORMULA.findall(rows[name][1]) if fits(shape, array.shape, lengths)]
                assert len(fitting) == 1, (name, array.shape, rows[name][1])
                seen.add((name, fitting[0]))
    assert seen == {(name, shape) for name, row in rows.items() for shape in FORMULA.findall(row[1])}


def fits(told: str, shape: tuple[int, ...], lengths: dict[str, int]) -> bool:
    """Whether an array has the shape told in symbols; one that is met first stands for the length it has there."""
    symbols = [symbol.strip() for symbol in told.split(",") if symbol]
    if len(symbols) != len(shape):
        return False
    for symbol, length in zip(symbols, shape, strict=True):
        if (int(symbol) if symbol.isdigit() else lengths.setdefault(symbol, length)) != length:
            return False
    return True


def test_metadata_has_the_entries_of_the_table(bundles: list[Path]) -> None:
    assert {key: row[0].split("`")[1] for key, row in table("Metadata").items()} == ENTRIES
    for path in bundles:
        assert metadata(path).keys() == ENTRIES.keys()


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """All structs that a type is made of, itself included."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs(field.type)
    for inner in typing.get_args(kind):
        yield from structs(inner)


STRUCTS = {struct.__name__: struct for root in ROOTS for struct in structs(root)}


def in_words(kind: Any) -> str:
    """A field's type as the page calls it."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in inner)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(in_words(part) for part in inner)
    if origin is dict:
        of = in_words(inner[1])
        return f"{of.replace('list of', 'lists of')} by name" if "list" in of else f"{of}s by name"
    if origin in (tuple, list):
        many = origin is list or inner[1] is Ellipsis
        return f"list of {in_words(inner[0])}" if many else f"{len(inner)} {in_words(inner[0])}"
    named = {str: "string", int: "integer", float: "number", bool: "boolean", bytes: "base64", type(None): "null"}
    return named.get(kind) or str(kind.__name__)


def default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


@pytest.mark.parametrize("name", STRUCTS)
def test_the_fields_of_the_metadata_are_those_of_the_table(name: str) -> None:
    fields = msgspec.structs.fields(STRUCTS[name])
    missing = {
        field.encode_name: "" if field.required else msgspec.json.encode(default(field)).decode() for field in fields
    }
    assert {n: row[1] for n, row in table(name).items()} == missing
    assert {n: row[0] for n, row in table(name).items()} == {f.encode_name: in_words(f.type) for f in fields}


def test_every_table_of_fields_is_one_of_the_metadata(bundles: list[Path]) -> None:
    held = PAGE.partition("\n## Metadata")[2].partition("\n## ")[0]
    assert set(re.findall(r"^### (\w+)$", held, re.MULTILINE)) == STRUCTS.keys()
    for path in bundles:
        assert msgspec.json.decode(metadata(path)[METADATA_KEY]).keys() <= table("Manifest").keys()


def test_an_unknown_field_refuses_the_bundle_in_the_input_and_is_ignored_elsewhere(classifier_bundle: Path) -> None:
    text = metadata(classifier_bundle)[METADATA_KEY]
    known, other = msgspec.json.decode(text, type=Manifest), msgspec.json.decode(text)
    other["later"] = 1
    assert msgspec.json.decode(msgspec.json.encode(other), type=Manifest) == known
    other["input"]["later"] = 1
    with pytest.raises(msgspec.ValidationError, match="later"):
        msgspec.json.decode(msgspec.json.encode(other), type=Manifest)


def as_written(
    pixels: np.ndarray, expected: dict[str, Any], bits: int, signed: bool, of: str | None, lut: tuple[str, str] | None
) -> np.ndarray:
    """Steps 2 to 9 of the page. lut: RescaleSlope and RescaleIntercept as the file has them; of: its interpretation."""
    if crop := expected["crop"]:
        top, left = (floor((side - kept) / 2) for side, kept in zip(pixels.shape, crop, strict=False))
        pixels = pixels[top : top + crop[0], left : left + crop[1]]

    def modality(stored: np.ndarray, kind: type) -> np.ndarray:
        slope, intercept = (np.float32(float(text)) for text in lut or ("1", "0"))
        return stored.astype(kind) * slope.astype(kind) + intercept.astype(kind)

    image = modality(pixels, np.float32) if lut else pixels.astype(np.float32)
    if of is not None and {of, expected["photometric_interpretation"]} == {"MONOCHROME1", "MONOCHROME2"}:
        ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1])
        image = np.float32(modality(ends, np.float64).sum()) - image
    if resize := expected["resize"]:
        samples = [image] if image.ndim == 2 or image.shape[2] <= 4 else list(np.moveaxis(image, 2, 0))
        resized = [cv2.resize(sample, (resize[1], resize[0]), interpolation=cv2.INTER_AREA) for sample in samples]
        image = resized[0] if len(resized) == 1 else np.stack(resized, axis=2)
    image = (image - np.float32(expected["offset"])) * np.float32(expected["scale"])
    return image[None, None] if image.ndim == 2 else image.transpose(2, 0, 1)[None]


WAYS = {
    "crop": st.none() | st.tuples(st.integers(2, 12), st.integers(2, 14)),
    "resize": st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    "offset": st.floats(-1e4, 1e4),
    "scale": st.floats(1e-6, 1e3),
}


@settings(max_examples=60, deadline=None)
@given(
    way=st.fixed_dictionaries(
        {**WAYS, "photometric_interpretation": st.sampled_from([None, "MONOCHROME1", "MONOCHROME2"])}
    ),
    bits=st.integers(2, 16),
    signed=st.booleans(),
    of=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    lut=st.none()
    | st.tuples(st.floats(0.001, 100), st.floats(-5000, 5000)).map(lambda lut: tuple(f"{v:.6g}" for v in lut)),
    size=st.tuples(st.integers(12, 20), st.integers(14, 20)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_dicom_frame_becomes_the_image_that_the_steps_make(
    way: dict[str, Any], bits: int, signed: bool, of: str, lut: Any, size: tuple[int, int], seed: int
) -> None:
    if of == "MONOCHROME1" and way["photometric_interpretation"] is None:
        way = {**way, "photometric_interpretation": of}  # refused otherwise, says the page
    low = -(2 ** (bits - 1)) if signed else 0
    pixels = np.random.default_rng(seed).integers(low, low + 2**bits, size)
    pixels[size[0] // 2 - 1 : size[0] // 2 + 1, size[1] // 2] = low, low + 1  # never one value throughout
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image.dcm"
        write_dicom(path, pixels.astype(np.uint16), Exposure(), "contract")
        dataset = pydicom.dcmread(path)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, int(signed)
        dataset.PhotometricInterpretation = of
        if lut:
            dataset.RescaleSlope, dataset.RescaleIntercept = lut
        dataset.save_as(path)
        given = preprocess(open_image(path).frame(0), Input(**way))
    np.testing.assert_array_equal(given, as_written(pixels, way, bits, signed, of, lut))


@settings(max_examples=60, deadline=None)
@given(
    way=st.fixed_dictionaries(WAYS),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.float64]),
    samples=st.sampled_from([None, 2, 3, 9]),
    seed=st.integers(0, 2**32 - 1),
)
def test_an_array_becomes_the_image_that_the_steps_make(
    way: dict[str, Any], dtype: type, samples: int | None, seed: int
) -> None:
    shape = (13, 15) if samples is None else (13, 15, samples)
    pixels: np.ndarray = np.random.default_rng(seed).uniform(0, 120, shape).astype(dtype)
    pixels[6, 7] = 121
    given = preprocess(Frame.of(pixels), Input(**way, samples_per_pixel=samples or 1))
    np.testing.assert_array_equal(
        given, as_written(pixels, {**way, "photometric_interpretation": None}, 0, False, None, None)
    )


@pytest.mark.parametrize("size", [(4, 5), (7, 9), (12, 1)])
def test_a_resized_pixel_is_the_mean_of_the_area_it_covers(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).uniform(0, 1, (12, 15))

    def shares(given: int, wanted: int) -> np.ndarray:
        """What each wanted pixel covers of each given one, [wanted, given], as a share of itself."""
        ends = np.arange(wanted + 1) * given / wanted
        inside = np.minimum(ends[1:, None], np.arange(1, given + 1)) - np.maximum(ends[:-1, None], np.arange(given))
        return np.maximum(inside, 0) * wanted / given

    expected = shares(12, size[0]) @ pixels @ shares(15, size[1]).T
    np.testing.assert_allclose(preprocess(Frame.of(pixels), Input(resize=size))[0, 0], expected, rtol=1e-5)


def test_golden_vectors_are_met_as_the_page_compares_them(bundles: list[Path]) -> None:
    for path in bundles:
        bundle = open_bundle(path)
        held, outputs = golden_outputs(bundle, explain=True)
        assert held["outputs"].keys() == outputs.keys()
        fewest = min(check.calibration_size for check in bundle.manifest.checks)
        allowed = {"map": 1.01, "p_value": 1.01 / (fewest + 1)}
        differences = []
        for name, numbers in held["outputs"].items():
            expected = np.array(numbers)
            apart = np.abs(outputs[name].astype(float).ravel() - expected).max(initial=0.0) - allowed.get(name, 0.0)
            differences.append(max(apart, 0.0) / max(np.abs(expected).max(initial=0.0), 1e-30))
        assert (max(differences), bundle.manifest.parity.tolerance) == self_test(bundle)
        assert max(differences) <= bundle.manifest.parity.tolerance


def test_a_verdict_follows_from_outputs_as_the_page_says(ensemble_bundle: Path) -> None:
    runtime = Runtime.open(ensemble_bundle)
    manifest = runtime.bundle.manifest
    assert manifest.coverage is not None
    noise = np.random.default_rng(0).integers(0, 4096, (32, 32)).astype(np.uint16)
    for pixels in (usual_image(3), noise):
        verdict = runtime.score(pixels, explain="always")
        image = pixels.astype(np.float32)[None, None] * np.float32(manifest.input.scale)
        outputs = {name: array.astype(float) for name, array in runtime.bundle.run(image, explain=True).items()}
        k = np.array(manifest.coverage.factors)
        assert [result.U for result in verdict.results] == (k * outputs["u"]).tolist()
        assert [result.low for result in verdict.results] == (outputs["value"] - k * outputs["u_below"]).tolist()
        assert [result.high for result in verdict.results] == (outputs["value"] + k * outputs["u_above"]).tolist()
        flags = [c.flags and p <= c.alpha for c, p in zip(manifest.checks, outputs["p_value"], strict=True)]
        assert flags == [check.flagged for check in verdict.checks]
        assert verdict.outcome == ("flagged" if any(flags) else "accepted")
        assert [[one.layer for one in check.evidence] for check in verdict.checks] == [
            layers_of(check, outputs["deviation"], ensemble_bundle) if flag else []
            for check, flag in zip(manifest.checks, flags, strict=True)
        ]
        assert any(flags) == bool(outputs["flagged"])
        assert verdict.map is not None
        assert [verdict.map.low, verdict.map.high] == outputs["map_range"].tolist()
        assert verdict.map.codes == outputs["map"].astype(np.uint8).tobytes()


def layers_of(check: Check, deviations: np.ndarray, path: Path) -> list[str]:
    """The layers that the page says are named, where `check` is the only one that watches any: of a layer and quantity
    of all members the furthest."""
    parts = [part for part in check.watched for _ in range(part.count)]
    ranges = msgspec.json.decode(metadata(path)[CALIBRATION_KEY])["ranges"][check.name]
    outside = [max(d - high, low - d) for d, (low, high) in zip(deviations, ranges, strict=True)]
    assert max(outside) > 0
    named: dict[tuple[str, str], str] = {}
    for beyond, part in sorted(zip(outside, parts, strict=True), key=lambda pair: -pair[0]):
        if beyond > 0:
            named.setdefault((re.sub(r"member ?\d", "", part.layer), part.quantity), part.layer)
    return list(named.values())[:3]


def test_tables_of_usual_images_have_their_names_and_weights_their_networks(
    ensemble_bundle: Path, classifier_bundle: Path
) -> None:
    assert table("Initializers that have names").keys() == {"usual.CHECK", "usual.CHECK.count", "memberM.NAME"}
    for path in (ensemble_bundle, classifier_bundle):
        manifest, held = open_bundle(path).manifest, metadata(path)[CALIBRATION_KEY]
        arrays = {i.name: onnx.numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
        usual = msgspec.json.decode(held)["statistics"]
        assert usual.keys() == {check.name for check in manifest.checks}
        for check in manifest.checks:
            counted = arrays[f"usual.{check.name}"]
            assert counted.tolist() == sorted(usual[check.name])
            assert arrays[f"usual.{check.name}.count"] == len(counted) + 1 == check.calibration_size + 1
        assert all(re.match(r"member\d+\.", layer) for layer in manifest.fisher.layers)
        of_members = {name.partition(".")[0] for name in itertools.chain(arrays, manifest.fisher.layers) if "." in name}
        assert {f"member{m}" for m in range(manifest.members)} <= of_members
