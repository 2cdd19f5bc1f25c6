"""`fisherlens rescore`: verdicts on all images of an archive, as a Parquet data set."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import click
import ray
import ray.data
from ray.exceptions import RayError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from fisherlens.edge.bundle import Bundle, bundle_of, read_bundle
from fisherlens.edge.bundle.signature import TrustedKeys
from fisherlens.edge.errors import EdgeError
from fisherlens.edge.runtime import Explain
from fisherlens.edge.verdict import BundleReference

from .dataset import Identity, digests_done, occupied, settle
from .errors import RescoringStopped, RolloutRefused
from .records import OUTCOMES
from .sources import Source
from .sources.dicomweb import DicomWeb
from .sources.files import FileList, FolderTree
from .worker import PartReport, Worker

EXIT_STOPPED = 1
Shown = Callable[[int, int], None]
PART_IMAGES = 256
_KEPT = "what was finished is kept, and the same command goes on from it"


@dataclass(frozen=True)
class RescoreRequest:
    """Request to score all images of a source with a bundle. out: folder of the records. workers: None for all cores of
    the cluster. part_images: images that are committed together; fewer where there are few images for all workers."""

    source: Source
    bundle: Path
    out: Path
    explain: Explain = "flagged"
    trusted_keys: Path | None = None
    address: str | None = None
    workers: int | None = None
    part_images: int = PART_IMAGES


@dataclass
class Totals:
    """Counts of a run. images: all that were looked at. known: images that had records before. outcomes: new records of
    each outcome. settled: records that were left out since their image had one already."""

    images: int = 0
    known: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    settled: int = 0

    def add(self, part: PartReport) -> None:
        """Count the images of one more part."""
        self.images += part.images
        self.known += part.known
        self.outcomes += Counter(part.outcomes)


def rescore(asked: RescoreRequest, progress: Shown = lambda finished, total: None) -> Totals:
    """Score all images of a source that have no record yet. progress: is told of images just finished, and of all.

    What was finished before an error stays. Raises BundleRefused, KeyRefused, RolloutRefused, RescoringStopped.
    """
    data = read_bundle(asked.bundle)
    if asked.trusted_keys is not None:
        TrustedKeys.open(asked.trusted_keys).verify(asked.bundle, data)
    with occupied(asked.out, _identity(bundle_of(asked.bundle, data))):
        locations = list(asked.source.locations())
        totals = Totals()
        if locations:
            _connect(asked.address)
            for part in _scored(asked, data, locations):
                totals.add(part)
                progress(part.images, len(locations))
        totals.settled = settle(asked.out)
        return totals


def _identity(bundle: Bundle) -> Identity:
    manifest = bundle.manifest
    reference = BundleReference(name=manifest.name, version=manifest.version, digest=bundle.digest)
    return Identity(bundle=reference, software=f"fisherlens {version('fisherlens')}", alpha=manifest.alpha)


def _connect(address: str | None) -> None:
    """Start Ray on this machine, or connect to a running cluster; do nothing where it is connected."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong is raised, and told once
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of the cluster
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    except (ConnectionError, RayError, ValueError, RuntimeError) as error:
        raise RolloutRefused(f"Ray cluster {address or 'on this machine'}: {error}") from error


def _scored(asked: RescoreRequest, data: bytes, locations: list[str]) -> Iterator[PartReport]:
    """Score parts on Ray, and yield their reports as they are finished."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)  # what it did is told by us
    workers = asked.workers or int(ray.cluster_resources().get("CPU", 1))
    size = max(1, min(asked.part_images, -(-len(locations) // (4 * workers))))
    rows = [{"locations": locations[start : start + size]} for start in range(0, len(locations), size)]
    workers = min(workers, len(rows))
    parts = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Worker,  # type: ignore[arg-type]
        fn_constructor_args=(
            str(asked.bundle), ray.put(data), asked.source, asked.out.absolute(), asked.explain,
            ray.put(digests_done(asked.out)),
        ),
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    )  # fmt: skip
    try:
        for row in parts.iter_rows():
            part = PartReport(**row)
            if part.error:
                raise RescoringStopped(f"{part.error}; {_KEPT}")
            yield part
    except RayError as error:
        raise RescoringStopped(f"Ray: {error}; {_KEPT}") from error


class _Rate(ProgressColumn):
    """A column of images per second."""

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:.1f} images/s")


@contextmanager
def progress_bar(label: str) -> Iterator[Shown]:
    """Show images finished of all, with rate and remaining time, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda finished, total: bar.update(task, advance=finished, total=total)


def source_of(text: str, query: tuple[str, ...], token_file: Path | None, seconds: float) -> Source:
    """Give the source that a folder, a list of files or a URL names. Raises RolloutRefused."""
    if text.startswith(("http://", "https://")):
        filters = dict(entry.partition("=")[::2] for entry in query)
        if not all(filters.values()):
            raise RolloutRefused(f"query {', '.join(query)}: expected KEYWORD=VALUE, as Modality=MG")
        try:
            token = token_file.read_text().strip() if token_file else None
        except OSError as error:
            raise RolloutRefused(f"token {token_file}: {error.strerror}") from error
        return DicomWeb(text.rstrip("/"), filters, token, seconds)
    path = Path(text)
    if path.is_dir():
        return FolderTree(path.absolute())
    if path.is_file():
        return FileList(path.absolute())
    raise RolloutRefused(f"source {text}: no such folder or list of files, and no http address")


@click.command("rescore")
@click.argument("source")
@click.option("--bundle", type=click.Path(path_type=Path), required=True, help="To score with.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder of the records, shared by all nodes."
)
@click.option(
    "--trusted-keys", type=click.Path(path_type=Path), help="Folder of public keys (.pem): one must have signed."
)
@click.option("--explain", type=click.Choice(["always", "flagged", "never"]), default="flagged", show_default=True,
              help="When to keep the map.")  # fmt: skip
@click.option("--address", help="Of a running Ray cluster, as 10.0.0.1:6379.  [default: this machine's cores]")
@click.option("--workers", type=click.IntRange(min=1), help="How many score at a time.  [default: one a core]")
@click.option("--part-images", type=click.IntRange(min=1), default=PART_IMAGES, show_default=True,
              help="Images that are committed together.")  # fmt: skip
@click.option("--query", multiple=True, help="Of a DICOMweb archive, only what matches: KEYWORD=VALUE, as Modality=MG.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Holds a bearer token for a DICOMweb archive.")
@click.option("--seconds", default=60.0, show_default=True, help="That a DICOMweb archive is waited for, each time.")
def rescore_command(
    source: str, bundle: Path, out: Path, trusted_keys: Path | None, explain: Explain, address: str | None,
    workers: int | None, part_images: int, query: tuple[str, ...], token_file: Path | None, seconds: float,
) -> None:  # fmt: skip
    """Score all images of SOURCE: a folder with all in it, a text file with a path a line, or a DICOMweb archive's URL.

    Writes a Parquet data set; the same command again goes on where it ended. Exit code: 0 all images have records,
    1 stopped before, 2 wrong usage.
    """
    try:
        asked = RescoreRequest(
            source_of(source, query, token_file, seconds), bundle, out, explain, trusted_keys, address, workers,
            part_images,
        )  # fmt: skip
        with progress_bar("rescore") as shown:
            totals = rescore(asked, shown)
    except RescoringStopped as stopped:
        click.echo(f"Error: {stopped}", err=True)
        sys.exit(EXIT_STOPPED)
    except EdgeError as refusal:
        raise click.UsageError(str(refusal)) from refusal
    records = ", ".join(f"{totals.outcomes[outcome]} {outcome}" for outcome in OUTCOMES)
    click.echo(f"{out}: {totals.images} images, {totals.known} of them scored before; records: {records}")
    if totals.settled:
        click.echo(f"{totals.settled} records left out, of images that had one")
