"""Make the installer: `python -m fisherlens.deploy.offline --key signing.pem --out fisherlens.tar`."""

from __future__ import annotations

from pathlib import Path

import click

from fisherlens.edge.commands.extras import needing


@click.command()
@click.option("--project", type=click.Path(path_type=Path, exists=True), default=Path(), help="The repository.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), required=True, help="Ed25519 private key (PEM).")
@click.option("--python", "pythons", multiple=True, default=("3.11",), show_default=True, help="Versions of Python.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write, .tar.")
def main(project: Path, key: Path, pythons: tuple[str, ...], out: Path) -> None:
    """Write everything that a machine without network needs into one file."""
    with needing("deploy", "python -m fisherlens.deploy.offline"):
        from fisherlens.edge.errors import EdgeError

        from .packing import pack
        from .wheels import WheelsMissing
    try:
        pack(project, key, pythons, out)
    except (WheelsMissing, EdgeError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror}") from error
    click.echo(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(prog_name="python -m fisherlens.deploy.offline")
