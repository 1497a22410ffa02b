"""A learner's file: where it is, whether it can be read, and whether it is still the starter."""

from __future__ import annotations

import ast
import stat
from dataclasses import dataclass
from pathlib import Path

from labkit.course import workspace_root
from labkit.course.locate import PACKAGE
from labkit.errors import SubmissionError
from labkit.grader.catalogue import STARTER_NAME, Exercise, find_exercise

SOLUTION_NAMES = ("solution.py", "solution_cell.py")
"""What a learner writes by hand, and what the cell magic `%%solution` writes."""

MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Submission:
    """A file that can be given to a child.

    Attributes:
        source: its bytes.
        is_starter: whether nothing in it differs from the starter but comments and docstrings.
    """

    source: bytes
    is_starter: bool


class EmptySubmission(SubmissionError):
    """There is nothing to judge: no file, or no code in it."""


def find_submission(exercise: str, file: Path | None = None) -> Path:
    """Return the file to judge.

    Args:
        exercise: a name of the catalogue.
        file: taken as it is, if given. Otherwise it is the newer one of `solution.py` and
            `solution_cell.py` in the workspace's folder of the exercise.
    Raises:
        UnknownName: there is no such exercise.
        SubmissionError: there is no solution yet.
    """
    find_exercise(exercise)
    if file is not None:
        return file
    folder = workspace_folder(exercise)
    found = [folder / name for name in SOLUTION_NAMES if (folder / name).is_file()]
    if not found:
        raise SubmissionError(
            f"There is no solution of {exercise!r} yet.",
            expected=f"a notebook cell that starts with %%solution {exercise}, or {folder / SOLUTION_NAMES[0]}.",
            hint=f"write into that cell and run it; or copy {STARTER_NAME}, beside that file, to "
            f"{SOLUTION_NAMES[0]} and work on the copy.",
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def save_cell(exercise: str, source: str) -> Path | None:
    """Keep the source of a `%%solution` cell as `solution_cell.py` in the workspace.

    Returns:
        where it is, or None if it is still the starter: then an earlier cell's file is removed.
    Raises:
        UnknownName: there is no such exercise.
        SubmissionError: the current folder is in no workspace.
    """
    starter = find_exercise(exercise).starter.read_text(encoding="utf-8")
    target = workspace_folder(exercise) / SOLUTION_NAMES[1]
    if is_same_code(source, starter):
        target.unlink(missing_ok=True)
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(source, encoding="utf-8")
    return target


def workspace_folder(exercise: str) -> Path:
    """Return the learner's folder of an exercise.

    Raises:
        SubmissionError: the current folder is in no workspace.
    """
    root = workspace_root()
    if root is None:
        raise SubmissionError(
            f"{Path.cwd()} is not in a workspace of labkit, so there is no place for solutions.",
            expected="a folder at or above it that holds exercises/catalogue.toml.",
            hint="labkit init my-course, then work in there; or name the file: labkit check EXERCISE FILE.",
        )
    return root / "exercises" / exercise


def is_trusted(path: Path) -> bool:
    """Tell whether a file is one of the kit's own apps, which may import the rest of the kit."""
    return path.resolve().parent == PACKAGE / "apps"


def read_submission(exercise: Exercise, path: Path) -> Submission:
    """Read a file and see what can be seen without running it.

    Raises:
        EmptySubmission: there is nothing to judge.
        SubmissionError: it cannot be judged: no regular file, too large, not UTF-8, a syntax error.
    """
    source = _read_file(exercise, path)
    text = _decode(source, path)
    tree = _parse(text, path)
    if not _without_docstrings(tree).body:
        raise EmptySubmission(
            f"{path.name} is empty.",
            expected="a Python file with an ASGI application called `app`.",
            hint=f"start from exercises/{exercise.name}/{STARTER_NAME}.",
        )
    return Submission(source, is_same_code(text, exercise.starter.read_text(encoding="utf-8")))


def _read_file(exercise: Exercise, path: Path) -> bytes:
    try:
        status = path.stat()
    except OSError as error:
        reason = (
            "does not exist"
            if isinstance(error, FileNotFoundError)
            else f"cannot be opened: {error.strerror}"
        )
        raise EmptySubmission(
            f"{path} {reason}.",
            expected="a Python file with an ASGI application called `app`.",
            hint=f"look at the name letter by letter, or start from exercises/{exercise.name}/{STARTER_NAME}.",
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise EmptySubmission(
            f"{path} is a folder.",
            expected="one Python file.",
            hint=f"name the file in it, such as {path / SOLUTION_NAMES[0]}.",
        )
    if not stat.S_ISREG(status.st_mode):
        # Opening a FIFO would wait for a writer, for ever.
        raise SubmissionError(
            f"{path} is no regular file.", expected="a Python file.", hint="copy it to a file."
        )
    if status.st_size > MAX_FILE_BYTES:
        raise SubmissionError(
            f"{path.name} has {status.st_size / 2**20:.1f} MiB.",
            expected=f"a Python file of at most {MAX_FILE_BYTES // 2**20} MiB.",
            hint="is this the right file?",
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise SubmissionError(
            f"{path} cannot be read: {error.strerror}.", hint="look at its permissions."
        ) from None


def _decode(source: bytes, path: Path) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise SubmissionError(
            f"{path.name} is not UTF-8: line {line} holds the byte 0x{source[error.start]:02x}.",
            expected="a Python file in UTF-8.",
            hint="save it again with the encoding UTF-8.",
        ) from None


def _parse(text: str, path: Path) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise SubmissionError(
            f"{path.name} has a syntax error in line {error.lineno or 1}: {error.msg}.\n{_caret(error)}",
            hint="mend this line or the one before it, then check again.",
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SubmissionError(
            f"{path.name} cannot be compiled: {error or type(error).__name__}.",
            expected="a Python file.",
            hint="is this the right file?",
        ) from None


def _caret(error: SyntaxError) -> str:
    """Show the line with a caret below the place."""
    line = (error.text or "").rstrip("\n")
    stripped = line.lstrip()
    column = max(0, (error.offset or 1) - 1 - (len(line) - len(stripped)))
    return f"    {stripped[:200]}\n    {' ' * min(column, 200)}^"


def is_same_code(one: str, other: str) -> bool:
    """Tell whether two sources differ in nothing but layout, comments and docstrings."""
    try:
        return _dump(one) == _dump(other)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _dump(source: str) -> str:
    return ast.dump(_without_docstrings(ast.parse(source)))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                del node.body[0]
    return tree
