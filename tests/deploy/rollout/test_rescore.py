"""Rescoring an archive: a record of every image, once, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
import pydicom
import pytest

from fisherlens.deploy.rollout.dataset import parts, relation
from fisherlens.deploy.rollout.errors import RescoringStopped, RolloutRefused
from fisherlens.deploy.rollout.records import SCHEMA
from fisherlens.deploy.rollout.rescore import RescoreRequest, rescore
from fisherlens.deploy.rollout.sources.files import FileList, FolderTree
from fisherlens.edge import Runtime
from fisherlens.edge.errors import BundleRefused
from fisherlens.edge.verdict import Verdict
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

from ...bundles import SIDE, run, usual_image
from ...conftest import FORBIDDEN
from .conftest import IMAGES, RECORDS


def rescored(source: Path, bundle: Path, out: Path, **more: object) -> dict[str, int]:
    tree = FolderTree(source) if source.is_dir() else FileList(source)
    totals = rescore(RescoreRequest(tree, bundle, out, **{"part_images": 4, "workers": 1, **more}))  # type: ignore[arg-type]
    return {"images": totals.images, "known": totals.known, **totals.outcomes}


def records(out: Path) -> pd.DataFrame:
    return duckdb.connect().execute(f"SELECT * FROM {relation(out)}").df()


@pytest.fixture(scope="module")
def out(archive: Path, dicom_bundle: Path, cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive's records, maps and all."""
    out = tmp_path_factory.mktemp("records") / "out"
    rescored(archive, dicom_bundle, out, explain="always")
    return out


def test_every_image_has_the_record_that_the_runtime_gives(out: Path, archive: Path, dicom_bundle: Path) -> None:
    found = records(out)
    assert len(found) == RECORDS
    assert found["input_digest"].is_unique
    runtime = Runtime.open(dicom_bundle)
    for _, row in found[found["outcome"] != "refused"].iterrows():
        (own,) = runtime.score_file(row["location"], explain="always")
        assert row["outcome"] == own.outcome
        assert row["input_digest"] == own.input_digest
        assert [r["value"] for r in row["results"]] == pytest.approx([r.value for r in own.results], rel=1e-5)
        assert [r["expanded_uncertainty"] for r in row["results"]] == pytest.approx(
            [r.U for r in own.results], rel=1e-5
        )
        assert [c["p_value"] for c in row["checks"]] == [c.p_value for c in own.checks]
        assert own.map is not None
        assert bytes(row["map"]["codes"]) == own.map.codes
        assert row["device"].startswith("Fisherlens")
    refused = found[found["outcome"] == "refused"]
    assert sorted(Path(location).name for location in refused["location"]) == ["notes.dcm", "other.dcm"]
    assert all(len(reasons) == 1 for reasons in refused["reasons"])


def test_pandas_polars_and_duckdb_read_the_same(out: Path) -> None:
    by_pandas = pd.read_parquet(out)
    by_polars = pl.read_parquet(out / "**" / "*.parquet", hive_partitioning=True)
    by_duckdb = duckdb.connect().execute(f"SELECT outcome, count(*) FROM {relation(out)} GROUP BY 1").fetchall()
    assert len(by_pandas) == len(by_polars) == RECORDS
    assert dict(by_duckdb) == by_pandas["outcome"].astype(str).value_counts().to_dict()
    assert dict(by_polars["outcome"].value_counts().iter_rows()) == dict(by_duckdb)
    assert by_polars.schema["created"] == pl.Datetime("ms", "UTC")
    assert by_polars.schema["results"].inner.to_schema()["value"] == pl.Float64  # type: ignore[attr-defined]
    assert str(by_pandas["created"].dtype).startswith("datetime64[ms, UTC")


def multiframe(path: Path, frames: list[np.ndarray]) -> None:
    """A DICOM file of several frames."""
    write_dicom(path, frames[0], Exposure(), "several")
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = np.stack(frames).astype("<u2").tobytes()
    dataset.save_as(path)


def test_an_image_whose_frames_differ_in_outcome_is_there_as_a_whole_or_not_at_all(
    dicom_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    """A run that dies between the files of a part must not leave an image with some of its frames, which the next run
    would take for done."""
    flat = np.full((SIDE, SIDE), 7, np.uint16)  # refused
    source = tmp_path / "source"
    source.mkdir()
    multiframe(source / "several.dcm", [usual_image(1), flat, usual_image(2)])
    write_dicom(source / "single.dcm", usual_image(3), Exposure(), "single")
    rescored(source, dicom_bundle, tmp_path / "out")
    files = [len(pd.read_parquet(path)) for path in parts(tmp_path / "out")]
    assert sorted(files) == [1, 3]
    for path in parts(tmp_path / "out"):
        path.unlink()  # as if it had died before this file, and after the other
        again = rescored(source, dicom_bundle, tmp_path / "out")
        assert again["known"] == 1
        found = records(tmp_path / "out")
        assert sorted(found["frame"]) == [1, 1, 2, 3]
        assert sorted(found["outcome"]) == ["accepted", "accepted", "accepted", "refused"]


def test_what_is_no_file_or_has_an_odd_name_is_a_refused_record(
    dicom_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    os.mkfifo(source / "pipe.dcm")
    (Path(os.fsdecode(os.fsencode(source) + b"/M\xfcller.dcm"))).write_bytes(b"")
    (source / "gone.dcm").symlink_to(source / "nothing")
    write_dicom(source / "well.dcm", usual_image(3), Exposure(), "well")
    assert rescored(source, dicom_bundle, tmp_path / "out") == {"images": 4, "known": 0, "accepted": 1, "refused": 3}
    reasons = {Path(row["location"]).name: row["reasons"] for _, row in records(tmp_path / "out").iterrows()}
    assert "no regular file" in reasons["pipe.dcm"][0]
    assert "no regular file" in reasons["gone.dcm"][0]
    assert "is no UTF-8: rename it" in reasons["M\\xfcller.dcm"][0]


def test_going_on_scores_only_what_is_new(archive: Path, dicom_bundle: Path, cluster: None, tmp_path: Path) -> None:
    some = tmp_path / "list.txt"
    names = sorted(str(path) for path in archive.rglob("0*.dcm"))
    some.write_text("\n".join(names[:5]) + "\n\n")
    assert rescored(some, dicom_bundle, tmp_path / "out")["known"] == 0
    again = rescored(archive, dicom_bundle, tmp_path / "out")
    assert again["known"] >= 5
    assert len(records(tmp_path / "out")) == RECORDS
    third = rescored(archive, dicom_bundle, tmp_path / "out")
    assert third["known"] == third["images"] == IMAGES + 3


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    archive: Path, dicom_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    killed: list[int] = []

    ended = threading.Event()

    def kill() -> None:
        while not killed and not ended.wait(0.05):
            for process in psutil.Process().children(recursive=True):  # not a Ray of somebody else
                with suppress(psutil.NoSuchProcess):
                    if "ray::MapWorker" in " ".join(process.cmdline()) and parts(tmp_path / "out"):
                        process.send_signal(signal.SIGKILL)
                        killed.append(process.pid)
                        return

    thread = threading.Thread(target=kill)
    thread.start()
    many = tmp_path / "many.txt"
    names = [str(path) for path in sorted(archive.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    many.write_text("\n".join(names))
    try:
        rescored(many, dicom_bundle, tmp_path / "out", part_images=1, workers=2)
    finally:
        ended.set()
        thread.join()
    assert killed, "no worker was killed"
    found = records(tmp_path / "out")
    assert len(found) == RECORDS
    assert found["input_digest"].is_unique


def test_another_bundles_folder_and_a_strangers_are_refused(
    archive: Path, dicom_bundle: Path, ensemble_bundle: Path, out: Path, tmp_path: Path
) -> None:
    before = records(out)
    with pytest.raises(RolloutRefused, match=r"made with bundle ensemble 1 \(sha256:.*name another folder"):
        rescored(archive, ensemble_bundle, out)
    assert len(records(out)) == len(before)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RolloutRefused, match=r"holds mine\.txt, expected an empty folder"):
        rescored(archive, dicom_bundle, tmp_path)


def test_a_bundle_that_is_not_trusted_is_refused(archive: Path, dicom_bundle: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key.pem"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", keys / "a.pem"], check=True)
    with pytest.raises(BundleRefused, match="signature"):
        rescored(archive, dicom_bundle, tmp_path / "out", trusted_keys=keys)
    assert not (tmp_path / "out").exists()


def test_wrong_sources_are_refused_in_words(dicom_bundle: Path, tmp_path: Path) -> None:
    run("rescore", tmp_path / "none", "--bundle", dicom_bundle, "--out", tmp_path / "out", expect=2)
    run("rescore", tmp_path, "--bundle", tmp_path / "none.onnx", "--out", tmp_path / "out", expect=2)
    said = run("rescore", "http://127.0.0.1:9", "--bundle", dicom_bundle, "--out", tmp_path / "out",
               "--query", "Modality", expect=2)  # fmt: skip
    assert "expected KEYWORD=VALUE" in said


def test_a_full_disk_ends_the_run_in_words_and_keeps_what_was_finished(
    archive: Path, dicom_bundle: Path, cluster: None, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"{FORBIDDEN} mounting (root may)")
    try:
        with pytest.raises(RescoringStopped, match="No space left on device; what was finished is kept"):
            rescored(archive, dicom_bundle, small / "out", part_images=1, explain="always")
        kept = records(small / "out")
        assert 0 < len(kept) < RECORDS
        subprocess.run(["mount", "-o", "remount,size=10m", small], check=True)
        rescored(archive, dicom_bundle, small / "out", part_images=1, explain="always")
        found = records(small / "out")
        assert len(found) == RECORDS
        assert set(kept["input_digest"]) <= set(found["input_digest"])
    finally:
        subprocess.run(["umount", small], check=False)


def test_the_schema_has_every_field_of_a_verdict() -> None:
    assert set(Verdict.__struct_fields__) < set(SCHEMA.names)
    assert SCHEMA.field("map").type.field("codes").type == pa.binary()


def test_a_worker_loads_nothing_of_the_service() -> None:
    code = "import sys, fisherlens.deploy.rollout.worker; print([n for n in sys.modules if '.edge.service' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
