"""`fisherlens calibrate`: what is usual, from a site's own images."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
import numpy as np
from numpy.typing import NDArray
from packaging.version import InvalidVersion, Version
from rich.console import Console
from rich.table import Table
from scipy.stats import beta

from fisherlens.edge.bundle import Bundle, bundle_of, read_bundle
from fisherlens.edge.bundle.manifest import CALIBRATION_KEY, Calibration, Check
from fisherlens.edge.errors import EdgeError
from fisherlens.edge.storage import write_whole
from fisherlens.export.checks.recalibrate import most_beyond, recalibrated
from fisherlens.export.errors import CalibrationError

from .dataset import IDENTITY, connect, identity_of, relation
from .errors import RolloutRefused
from .rescore import RescoreRequest, progress_bar, rescore
from .sources.files import FolderTree


@dataclass(frozen=True)
class Change:
    """Effect of a new table of usual images on one check. size: images in the new table. thresholds: statistics beyond
    them are flagged, before and after. former: p-value that an image at the new threshold had by the former table;
    below alpha, less is flagged than before. alarms: 95 % interval of the share of usual images that will be flagged,
    since a table of n images is itself a draw. power: share of given unusual images that are flagged, before and
    after."""

    check: Check
    size: int
    thresholds: tuple[float, float]
    former: float
    alarms: tuple[float, float]
    power: tuple[float, float] | None


def threshold(table: NDArray[np.float64], alpha: float) -> float:
    """Give the value that a statistic must exceed to be flagged: p = (1 + #{t_i >= t}) / (n + 1) <= alpha."""
    beyond = most_beyond(len(table), alpha)
    return float(np.sort(table)[::-1][beyond]) if 0 <= beyond < len(table) else math.inf


def change_of(
    check: Check, former: NDArray[np.float64], now: NDArray[np.float64], unusual: NDArray[np.float64] | None
) -> Change:
    """Compare a check's former table of statistics with its new one, and its power on unusual images where given.

    The share of usual images that a table of n flags is distributed as Beta(m + 1, n - m), where m of the n lie beyond
    the threshold (Vovk 2012, Conditional validity of inductive conformal predictors, proposition 2a).
    """
    before, after = threshold(former, check.alpha), threshold(now, check.alpha)
    beyond = most_beyond(len(now), check.alpha)
    spread = beta(beyond + 1, len(now) - beyond)
    return Change(
        check=check,
        size=len(now),
        thresholds=(before, after),
        former=(1 + int((former > after).sum())) / (len(former) + 1),
        alarms=(float(spread.ppf(0.025)), float(spread.ppf(0.975))),
        power=None if unusual is None else (float((unusual > before).mean()), float((unusual > after).mean())),
    )


def statistics_in(folder: Path, bundle: Bundle) -> dict[str, NDArray[np.float64]]:
    """Read each check's statistics of all measured images in a data set. Raises RolloutRefused for one of another
    bundle."""
    found = identity_of(folder).bundle
    if found.digest != bundle.digest:
        raise RolloutRefused(
            f"{folder}: records of bundle {found.name} {found.version} ({found.digest}), expected {bundle.digest}; "
            "statistics of one bundle say nothing of another's"
        )
    query = (
        f"SELECT c.name, list(c.statistic) FROM (SELECT unnest(checks) AS c FROM {relation(folder)} "
        "WHERE outcome != 'refused') GROUP BY 1"
    )
    rows = connect().execute(query).fetchall()
    if not rows:
        raise RolloutRefused(f"{folder}: no image in it was measured")
    return {name: np.array([np.nan if v is None else v for v in values]) for name, values in rows}


def _records(folder: Path, bundle: Path, scratch: Path) -> Path:
    """Give the data set in a folder, or rescore the images in it into `scratch`."""
    if (folder / IDENTITY).exists():
        return folder
    with progress_bar(f"score {folder.name}") as shown:
        rescore(RescoreRequest(FolderTree(folder.absolute()), bundle, scratch, explain="never"), shown)
    return scratch


def next_version(version: str) -> str:
    """Count a version on by its local label: 2.1.0, 2.1.0+site.1, 2.1.0+site.2. Raises RolloutRefused."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        raise RolloutRefused(f"version {version!r} cannot be counted on; give --version") from None
    label = (parsed.local or "").split(".")
    number = int(label[1]) + 1 if label[0] == "site" and len(label) == 2 and label[1].isdigit() else 1
    return f"{parsed.public}+site.{number}"


@click.command("calibrate")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--from", "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True,
              help="Usual images, or the records that rescore made of them with this bundle.")  # fmt: skip
@click.option("--unusual", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Images that must be flagged, or their records: tells the power.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The new bundle.")
@click.option("--version", help="Of the new bundle.  [default: counted, as 2.1.0+site.1]")
@click.option("--source", help="Where the images are from, in words, for the manifest.  [default: the folder's name]")
def calibrate_command(
    bundle: Path, folder: Path, unusual: Path | None, out: Path, version: str | None, source: str | None
) -> None:
    """Rewrite the tables that BUNDLE's p-values count over from a site's own usual images.

    Graph, weights and coverage factors stay as they are. The new bundle has a new version and digest: it is to be
    signed again, and to be compared on an archive before it goes onto a device.
    """
    try:
        data = read_bundle(bundle)
        opened = bundle_of(bundle, data)
        with tempfile.TemporaryDirectory(prefix="fisherlens-") as scratch:
            usual = statistics_in(_records(folder, bundle, Path(scratch) / "usual"), opened)
            strange = None if unusual is None else statistics_in(
                _records(unusual, bundle, Path(scratch) / "unusual"), opened)  # fmt: skip
        new = version or next_version(opened.manifest.version)
        written = recalibrated(data, usual, new, source or folder.absolute().name)
        changes = _changes(opened, usual, strange)
        write_whole(out, written)
    except (EdgeError, CalibrationError) as refusal:
        raise click.UsageError(str(refusal)) from refusal
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from error
    _print(changes)
    click.echo(f"{out}: {opened.manifest.name}, version {new}; sign it: fisherlens sign {out} --key KEY")


def _changes(
    bundle: Bundle, usual: dict[str, NDArray[np.float64]], strange: dict[str, NDArray[np.float64]] | None
) -> list[Change]:
    text = bundle.session.get_modelmeta().custom_metadata_map[CALIBRATION_KEY]
    former = msgspec.json.decode(text, type=Calibration).statistics
    return [
        change_of(check, np.array(former[check.name]), usual[check.name], strange[check.name] if strange else None)
        for check in bundle.manifest.checks
        if check.flags
    ]


def _print(changes: list[Change]) -> None:
    table = Table(
        "check", "usual images", "threshold", "flagged now: p before at most", "95 % of such tables flag",
        "power against the given images", caption="A p-value before that is smaller than alpha is lost power.",
    )  # fmt: skip
    for change in changes:
        table.add_row(
            change.check.name,
            f"{change.check.calibration_size} → {change.size}",
            " → ".join(f"{value:.4g}" for value in change.thresholds),
            f"{change.former:.4g} (alpha {change.check.alpha:.4g})",
            " to ".join(f"{100 * share:.2f} %" for share in change.alarms),
            "not told" if change.power is None else " → ".join(f"{100 * share:.1f} %" for share in change.power),
        )
    Console(highlight=False, width=140).print(table)
