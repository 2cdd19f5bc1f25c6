"""The acceptance protocol: `python -m tests.rig --env tests/rig/rig-simulated.yaml --out REPORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from filelock import Timeout
from labgrid.config import Config
from labgrid.exceptions import InvalidConfigError, NoConfigFoundError

from fisherlens.models.mammography import BUNDLE

from .materials import occupied
from .report import PAGE, RESULT

ACCEPTANCE = Path(__file__).with_name("acceptance")
PARTS = (
    "exposure_series", "constancy", "panel_faults", "infrastructure_faults", "deadline", "measuring_camera", "security",
)  # fmt: skip
EXIT_BROKEN, EXIT_NOT_ALLOWED = 2, 3


@click.command()
@click.option("--env", "environment", type=click.Path(path_type=Path, exists=True), required=True,
              help="labgrid's environment file: which devices, where.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the reports.")
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), default=BUNDLE, show_default="mammography's",
              help="The bundle under test, of mammography's kind.")  # fmt: skip
@click.option("--part", "parts", type=click.Choice([*PARTS, "soak"]), multiple=True, help="Only this; several may be.")
@click.option("--select", default="", help="Only tests whose names match, as pytest's -k.")
@click.option("--images", default=6, show_default=True, help="Images of a test that needs a number of them.")
@click.option("--days", default=30, show_default=True, help="Days of the constancy test.")
@click.option("--deadline-run", default=60.0, show_default=True, help="Seconds.")
@click.option("--soak", default=0.0, help="Minutes of faults in random order after everything else.")
def main(
    environment: Path, out: Path, bundle: Path, parts: tuple[str, ...], select: str, images: int, days: int,
    deadline_run: float, soak: float,
) -> None:  # fmt: skip
    """Run the acceptance protocol on a rig.

    Writes junit.xml, result.json and report.html. Exit code: 0 passed, 1 something is not as it must be, 2 the rig
    could not be set up, 3 this machine does not allow it.
    """
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    for name in (RESULT, PAGE, "junit.xml"):
        (out / name).unlink(missing_ok=True)  # an earlier run's must not pass for this one's
    work, has_camera = _read(environment)
    try:
        with occupied(work, bundle, has_camera and (not parts or "measuring_camera" in parts)):
            wanted = [*(parts or PARTS), *(["soak"] if soak and "soak" not in parts else [])]
            code = pytest.main([
                *(str(ACCEPTANCE / f"{part}.py") for part in wanted),
                f"--lg-env={environment}", f"--rig-out={out}", f"--rig-images={images}", f"--rig-days={days}",
                f"--rig-deadline-run={deadline_run}", f"--rig-soak={soak}", f"--junitxml={out / 'junit.xml'}",
                "-k", select, "-p", "no:cacheprovider", "--durations=15", "-ra",
            ])  # fmt: skip
    except Timeout:
        raise click.ClickException(f"another rig works in {work}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"{out / PAGE}")
    sys.exit(code if code in (0, 1, EXIT_NOT_ALLOWED) else EXIT_BROKEN)


def _read(environment: Path) -> tuple[Path, bool]:
    """Where the rig works, and whether it has a camera."""
    try:
        config = Config(str(environment))
        work = Path(config.resolve_path(config.get_option("work")))
        return work, "measuring-machine" in config.get_targets()
    except (NoConfigFoundError, InvalidConfigError, KeyError) as error:
        raise click.UsageError(f"{environment}: {error.args[0]}") from error


if __name__ == "__main__":
    main()
