"""Make the archive: `python -m fisherlens.deploy.offline --key signing.pem --out fisherlens.tar`.

It holds every wheel for every platform once, what installs and runs them, the licences, a bill of materials, the
hashes of all files, and a signature over the hashes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

import click
from rich.progress import track

from fisherlens.edge.bundle.signature import sign
from fisherlens.edge.errors import EdgeError

from .install import HASHES, MANIFEST
from .inventory import bill_of_materials, described, licence_table
from .wheels import EXTRAS, PLATFORMS, WheelsMissing, build_own, fetch

HERE = Path(__file__).parent
PLAIN_FILES = (
    HERE / "install.py",
    *(HERE.parent / name for name in ("fisherlens.service", "service.example.toml", "ADMINISTRATOR.md", "MESSAGES.md")),
)


@click.command()
@click.option("--project", type=click.Path(path_type=Path, exists=True), default=Path(), help="The repository.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), required=True, help="Ed25519 private key (PEM).")
@click.option("--python", "pythons", multiple=True, default=("3.11",), show_default=True, help="Versions of Python.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write, .tar.")
def main(project: Path, key: Path, pythons: tuple[str, ...], out: Path) -> None:
    """Write everything that a machine without network needs into one file."""
    with tempfile.TemporaryDirectory(prefix="fisherlens-archive-") as work:
        folder = Path(work) / "fisherlens"
        folder.mkdir()
        try:
            _fill(folder, project, pythons)
            seal(folder, key)
        except (WheelsMissing, EdgeError) as error:
            raise click.ClickException(str(error)) from error
        beside = out.with_name(out.name + ".part")
        with tarfile.open(beside, "w") as archive:  # wheels are compressed already
            archive.add(folder, folder.name)
        beside.replace(out)
    click.echo(f"{out}: {out.stat().st_size:,} bytes")


def _fill(folder: Path, project: Path, pythons: tuple[str, ...]) -> None:
    common = folder / "wheels"
    own = build_own(project, common)
    wanted = [(platform, python) for platform in PLATFORMS for python in pythons]
    for platform, python in track(wanted, "fetch wheels"):
        fetch(own, platform, python, common / platform.name)
    about = described(own)
    wheels = [described(path) for path in sorted(common.rglob("*.whl")) if path != own]
    for path in PLAIN_FILES:
        shutil.copy(path, folder / path.name)
    (folder / "LICENCES.md").write_text(licence_table(wheels))
    (folder / "sbom.cdx.json").write_text(bill_of_materials(about, wheels))
    manifest = {"version": about.version, "extras": EXTRAS, "pythons": pythons}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def seal(folder: Path, key: Path) -> None:
    """Hashes of all files, and a signature over these."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / HASHES).write_text("".join(lines))
    sign(folder / HASHES, key)


if __name__ == "__main__":
    main()
