"""The one command, `fisherlens`: its sub-commands are found by entry point and loaded when called."""

from __future__ import annotations

import ast
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from typing import Any

import click

from .extras import missing, needing

GROUP = "fisherlens.commands"


class Commands(click.Group):
    """A group whose commands are the installed entry points: no room must know the others, and
    `fisherlens score` loads nothing of export."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(point.name for point in entry_points(group=GROUP))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Give what help and completion show of a command: its name and what it says of itself."""
        point = _point(name)
        if point is None:
            return None
        extra = _extra(point)
        if extra and missing(extra):
            return click.Command(name, short_help=f"(needs pip install 'fisherlens[{extra}]')")
        return click.Command(name, help=_docstring(point))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Load the command that is called. While a shell completes a line, one without its extra has no options."""
        name, shown, rest = super().resolve_command(ctx, args)
        point = _point(name)
        if point is None or (ctx.resilient_parsing and (extra := _extra(point)) and missing(extra)):
            return name, shown, rest
        with needing(_extra(point), point.name):
            return name, point.load(), rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is called, which may import more while it runs."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if (point := _point(ctx.invoked_subcommand)) is None:
                raise
            with needing(_extra(point), point.name):
                raise error


def _point(name: str | None) -> EntryPoint | None:
    return next(iter(entry_points(group=GROUP, name=name)), None) if name else None


def _extra(point: EntryPoint) -> str | None:
    return point.extras[0] if point.extras else None


def _docstring(point: EntryPoint) -> str | None:
    """Read the docstring of a command's function in its source: importing it takes seconds. The packages that it lies
    in are imported, which import nothing."""
    spec = find_spec(point.module)
    source = getattr(spec.loader, "get_source", lambda name: None)(point.module) if spec else None
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.FunctionDef) and node.name == point.attr:
            return ast.get_docstring(node)
    return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("fisherlens"), prog_name="fisherlens")
def main() -> None:
    """Value, uncertainty, Fisher checks and a compact map, from one ONNX file."""


if __name__ == "__main__":
    main()
