"""The `labkit` command."""

from labkit.cli.commands import main

__all__ = ["main"]
