"""`fisherlens selftest`: does this machine compute what the bundle was calibrated to?"""

from __future__ import annotations

from pathlib import Path

import click

from ..bundle import open_bundle
from ..bundle.golden import self_test
from ..errors import BundleRefused

EXIT_DIFFERS = 1


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.pass_context
def selftest(context: click.Context, bundle: Path) -> None:
    """Run BUNDLE's golden vectors on this machine and compare.

    Exit code: 0 all outputs within tolerance, 1 some are not, 2 no bundle.
    """
    try:
        difference, tolerance = self_test(open_bundle(bundle))
    except BundleRefused as refusal:
        raise click.UsageError(str(refusal)) from refusal
    passed = difference <= tolerance
    click.echo(
        f"{'passed' if passed else 'FAILED'}: outputs differ from the golden ones by {difference:.1e} relative, "
        f"expected at most {tolerance:g}"
    )
    if not passed:
        context.exit(EXIT_DIFFERS)
