"""CSV files as spreadsheets read and write them, and cells that cannot turn into formulas there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from labkit.errors import LabError

MAX_TABLE_BYTES = 50 * 2**20
MAX_CELL_CHARACTERS = 2_000

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: object) -> str:
    """Return a value as the text of a cell that no spreadsheet takes for a formula."""
    if isinstance(value, int | float):
        return number_cell(value)
    text = str(value)
    if len(text) > MAX_CELL_CHARACTERS:
        text = f"{text[:MAX_CELL_CHARACTERS]}…"
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def number_cell(value: float) -> str:
    """Return a number without needless decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a CSV text, all cells safe."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return page.getvalue()


def read_table(path: Path) -> tuple[list[list[str]], str]:
    """Return the rows of a CSV file and its delimiter, `,`, `;` or a tab.

    Raises:
        LabError: it cannot be read.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise LabError(
                f"{path} has more than {MAX_TABLE_BYTES // 2**20} MiB.", expected="a table of grades."
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}.", expected="a CSV file.") from None
    except UnicodeDecodeError:
        raise LabError(
            f"{path} is not UTF-8.", expected="a CSV file in UTF-8.", hint="export it again."
        ) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise LabError(f"{path} is no CSV file: {error}.") from None
    if not rows:
        raise LabError(f"{path} is empty.", expected="a CSV file with a header.")
    return rows, delimiter


def column_of(header: Sequence[str], *names: str) -> int | None:
    """Return the first column with one of some names, whatever their case."""
    wanted = [name.casefold() for name in names]
    return next((at for at, title in enumerate(header) if title.strip().casefold() in wanted), None)
