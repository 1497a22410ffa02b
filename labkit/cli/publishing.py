"""`labkit dev publish`: the course as pages to read."""

from __future__ import annotations

from pathlib import Path

import typer

from labkit.publish import publish


def publish_course(folder: Path, names: list[str], limit_s: float) -> int:
    """Publish notebooks, tell on stderr how far it is, and return the exit code: 1 if one of them failed."""
    published = publish(folder, names, limit_s=limit_s, on_line=lambda line: typer.echo(line, err=True))
    for failure in published.failures.values():
        typer.echo(str(failure), err=True)
    count = len(published.pages) - 1
    failed = f", {len(published.failures)} failed" if published.failures else ""
    typer.echo(f"{count} {'lesson' if count == 1 else 'lessons'}{failed}: {published.folder / 'index.html'}")
    return 1 if published.failures else 0
