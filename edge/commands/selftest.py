"""`fisherlens selftest`: does this machine compute what the bundle was calibrated to?"""

from __future__ import annotations

from pathlib import Path

import click

from ..bundle import open_bundle
from ..errors import BundleRefused
from ..golden import read_golden, worst_difference

EXIT_DIFFERS = 1


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.pass_context
def selftest(context: click.Context, bundle: Path) -> None:
    """Run BUNDLE's golden vectors on this machine and compare.

    Exit code: 0 all outputs within tolerance, 1 some are not, 2 no bundle.
    """
    try:
        opened = open_bundle(bundle)
        golden = read_golden(opened)
    except BundleRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    difference = worst_difference(opened, golden)
    tolerance = opened.manifest.parity.tolerance
    passed = difference <= tolerance
    click.echo(
        f"{'passed' if passed else 'FAILED'}: outputs differ from the golden ones by {difference:.1e} relative, "
        f"expected at most {tolerance:g}"
    )
    if not passed:
        context.exit(EXIT_DIFFERS)
