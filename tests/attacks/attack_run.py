"""Judges every attack beside the same wrong solution without it, and prints what came of it as a table.

    python tests/attacks/attack_run.py

An attack has failed if it scores no more than the wrong solution alone, the grader ends as usual and in time,
nothing outside of the submission has changed, none of its processes is left, nothing that it stole is in the
results, and the right solutions beside it get full marks. Attacks that this machine's sandbox is not meant to
resist are not run at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from labkit.course.locate import PACKAGE
from labkit.gradebook.grade_run import grade
from labkit.gradebook.reports import write_reports
from labkit.grader import judge
from labkit.grader.catalogue import find_exercise
from labkit.grader.levels import Sandbox, parse_level
from labkit.grader.limits import Limits
from labkit.grader.probe import strongest_sandbox

HERE = Path(__file__).parent
RIGHT = HERE.parent / "submissions" / "echo" / "right" / "fastapi_try_except.py"

SHORT = Limits(start_s=5, step_s=1.5, settle_s=1, check_s=4, run_s=15)
USUAL = Limits(start_s=60, step_s=15, check_s=60, run_s=300)
GONE_S = 30.0
FLAG = "STOLEN-7c1f"

IN_FOLDERS = {
    "23_links_and_archives": "hands in links, FIFOs, archives that lead out or blow up, a name with a line break",
    "24_files_beside_it": "puts conftest.py, sitecustomize.py, pytest.ini and modules named like the library beside it",
    "29_hostile_notebook": "hands in a notebook with scripts in its outputs, shell cells and a broken format",
}


@dataclass(frozen=True)
class Row:
    """What became of one attack.

    Attributes:
        level: the first level that is meant to resist it.
        outcome: of its record; `not run` where the sandbox is below that level.
        score: its points, beside those of the wrong solution alone.
    """

    name: str
    what: str
    level: str
    outcome: str
    score: int
    base_score: int

    @property
    def resisted(self) -> bool:
        return self.outcome != "not run" and self.score <= self.base_score


@dataclass(frozen=True)
class Outcome:
    """What became of all of them, and what they have changed, left or stolen."""

    rows: list[Row]
    innocent: dict[str, int]
    damage: list[str]
    sandbox: str
    seconds: float


def header(path: Path, name: str) -> str:
    line = next(
        line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith(f"# {name}: ")
    )
    return line.partition(": ")[2]


def attacks() -> list[Path]:
    return sorted((HERE / "hostile").glob("*.py"))


def run_all(root: Path, *, workers: int = 4) -> Outcome:
    """Judge all attacks that the sandbox of this machine is meant to resist.

    Args:
        root: an empty folder to work in.
    """
    sandbox = strongest_sandbox()
    place = Place(root)
    run = [path for path in attacks() if parse_level(header(path, "resisted from")) <= sandbox.level]
    for path in run:
        place.hand_in(path.stem, place.known(path.read_text(encoding="utf-8")))
    hostile_folders(place)
    base = score_of_wrong_alone(sandbox)
    started = time.monotonic()
    with place.watched():
        results = grade(place.classroom, place.out, sandbox=sandbox, workers=workers, limits=SHORT)
        write_reports(results, place.out)
        place.note_damage(json.dumps(results.to_json()))
        innocent = judge_innocent(root, sandbox, workers)
        seconds = time.monotonic() - started
    records = {result.student: result.record for result in results.results}
    rows = []
    for path in attacks():
        record = records.get(path.stem)
        rows.append(
            Row(
                path.stem,
                header(path, "attack"),
                header(path, "resisted from"),
                record.outcome if record else "not run",
                record.score if record else 0,
                base,
            )
        )
    for name, what in IN_FOLDERS.items():
        mine = [record for student, record in records.items() if student.startswith(name)]
        outcome = ", ".join(sorted({record.outcome for record in mine})) or "refused"
        rows.append(
            Row(name, what, "process", outcome, max((record.score for record in mine), default=0), base)
        )
    return Outcome(sorted(rows, key=lambda row: row.name), innocent, place.damage, sandbox.words, seconds)


def score_of_wrong_alone(sandbox: Sandbox) -> int:
    """Return the points of the wrong solution without an attack, neither in it nor beside it.

    Attacks that run beside it could cost it points, and then one that gains nothing would seem to gain them.
    """
    return judge("echo", HERE / "base.py", sandbox=sandbox, limits=USUAL).score


def judge_innocent(root: Path, sandbox: object, workers: int) -> dict[str, int]:
    """Return the points of right solutions that look suspicious, and of one that is judged after all attacks."""
    classroom = root / "innocent"
    (classroom / "comes_after").mkdir(parents=True)
    (classroom / "comes_after" / "echo.py").write_bytes(RIGHT.read_bytes())
    for path in sorted((HERE / "innocent").glob("*.py")):
        folder = classroom / path.stem
        folder.mkdir(parents=True)
        source = path.read_text(encoding="utf-8") + RIGHT.read_text(encoding="utf-8")
        (folder / "echo.py").write_text(source, encoding="utf-8")
    results = grade(classroom, root / "innocent-out", sandbox=sandbox, workers=workers, limits=USUAL)
    return {result.student: result.record.score for result in results.results}


class Place:
    """A class with its results, secrets and a port that nobody may reach."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.classroom, self.out = root / "class", root / "out"
        self.damage: list[str] = []
        self._secret = root / "secret.txt"
        self._secret.write_text(FLAG, encoding="utf-8")
        self._neighbour = self.classroom / "neighbour" / "echo.py"
        self._neighbour.parent.mkdir(parents=True)
        self._neighbour.write_text(f"# {FLAG}\napp = None\n", encoding="utf-8")
        self.out.mkdir()
        self.out.chmod(0o777)
        self._visitors = 0
        self._listener = socket.create_server(("127.0.0.1", 0))

    def known(self, source: str) -> str:
        """Tell an attack all that it could wish to know."""
        facts = {
            "OUT": str(self.out),
            "PACKAGE": str(PACKAGE),
            "CHECKS": str(find_exercise("echo").test_file),
            "NEIGHBOUR": str(self._neighbour),
            "SECRET": str(self._secret),
            "SELF": "solution.py",
            "PORT": self._listener.getsockname()[1],
            "FLAG": FLAG,
        }
        return "".join(f"{name} = {value!r}\n" for name, value in facts.items()) + source

    def hand_in(self, student: str, attack: str) -> None:
        """Hand in the wrong solution with an attack on top of it."""
        folder = self.classroom / student
        folder.mkdir(parents=True)
        source = (HERE / "base.py").read_text(encoding="utf-8") + attack
        (folder / "echo.py").write_text(source, encoding="utf-8")

    def watched(self) -> Watched:
        return Watched(self, self._listener)

    def digest(self) -> dict[str, str]:
        """Return the digests of what no submission may change."""
        files = [
            *PACKAGE.rglob("*.py"),
            *find_exercise("echo").folder.glob("*"),
            *self.classroom.rglob("*"),
            self._secret,
        ]
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts
        }

    def note_damage(self, results: str) -> None:
        told = results + "".join(
            path.read_text(encoding="utf-8") for path in self.out.rglob("*") if path.is_file()
        )
        if FLAG in told:
            at = told.index(FLAG)
            self.damage.append(f"what was stolen is in the results: {told[max(0, at - 200) : at + 200]!r}")
        expected = {
            "results.json",
            "results.csv",
            "checks.csv",
            "class.html",
            "junit.xml",
            "students",
            "gradescope",
        }
        for path in self.out.iterdir():
            if path.name not in expected | {".judged"}:
                self.damage.append(f"{path.name} was written beside the results")


class Watched:
    """Notices connections, changed files and processes that were left."""

    def __init__(self, place: Place, listener: socket.socket) -> None:
        self._place = place
        self._listener = listener
        self._visits = 0

    def __enter__(self) -> None:
        self._before = self._place.digest()
        self._tmpdir = tempfile.tempdir
        self._environment = os.environ.get("TMPDIR")
        # So that whatever a submission leaves running can be told from everything else on this machine.
        own = self._place.root / "tmp"
        own.mkdir()
        own.chmod(0o711)
        os.environ["TMPDIR"] = tempfile.tempdir = str(own)
        os.environ["LABKIT_SECRET"] = FLAG
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        tempfile.tempdir = self._tmpdir
        os.environ.pop("LABKIT_SECRET")
        if self._environment is None:
            os.environ.pop("TMPDIR")
        else:
            os.environ["TMPDIR"] = self._environment
        damage = self._place.damage
        deadline = time.monotonic() + GONE_S
        while (left := leftovers(self._place.root)) and time.monotonic() < deadline:
            time.sleep(0.1)
        damage += [f"a process is left: {' '.join(process)}" for process in left]
        after = self._place.digest()
        damage += [f"{path} has changed" for path, old in self._before.items() if after.get(path) != old]
        damage += [f"{path} is new" for path in after if path not in self._before]
        if self._visits:
            damage.append(f"{self._visits} connections to a port that nobody may reach")
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._visits += 1
            connection.close()


def leftovers(root: Path) -> list[list[str]]:
    """Return the command lines of processes that run in a folder of ours, seen by environment or mounts."""
    mark = str(root / "tmp").encode()
    found = []
    for process in psutil.process_iter():
        try:
            seen = b""
            for name in ("environ", "mountinfo"):
                seen += Path(f"/proc/{process.pid}/{name}").read_bytes()
            if process.pid != os.getpid() and mark in seen and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.cmdline())
        except (OSError, psutil.Error):
            continue
    return found


def hostile_folders(place: Place) -> None:
    """Hand in what is hostile before a line of it runs."""
    root, wrong = place.classroom, (HERE / "base.py").read_text(encoding="utf-8")
    beside = root / "24_files_beside_it"
    beside.mkdir()
    (beside / "echo.py").write_text(wrong, encoding="utf-8")
    cheat = f"import os\nos.system('touch {place.out}/shadowed')\nraise SystemExit(0)\n"
    for name in ("conftest", "sitecustomize", "usercustomize", "json", "websockets", "uvicorn", "test_task"):
        (beside / f"{name}.py").write_text(cheat, encoding="utf-8")
    (beside / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n", encoding="utf-8")
    (beside / "x.pth").write_text(f"import os; os.system('touch {place.out}/shadowed')\n", encoding="utf-8")
    notebook = root / "29_hostile_notebook"
    notebook.mkdir()
    cells = [
        {"cell_type": "code", "source": f"%%bash\ntouch {place.out}/bash"},
        {"cell_type": "code", "source": f"!touch {place.out}/shell"},
        {"cell_type": "code", "source": 7, "outputs": [{"data": {"text/html": "<script>alert(1)</script>"}}]},
        None,
        {"cell_type": "code", "source": ["%%solution echo\n", wrong, "name = '<script>alert(1)</script>'\n"]},
        *[{"cell_type": "markdown", "source": "x"}] * 10_000,
    ]
    (notebook / "echo.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 99}), encoding="utf-8")
    for kind in ("link", "linked_folder", "fifo", "line\nbreak", "slip", "bomb"):
        name = f"23_links_and_archives {kind}"
        if kind == "linked_folder":
            (root / name).symlink_to(place.root)
        elif kind in ("slip", "bomb"):
            with zipfile.ZipFile(root / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                if kind == "slip":
                    archive.writestr("../../slipped.py", "x")
                else:
                    archive.writestr("echo.py", bytes(200 * 2**20))
        else:
            (root / name).mkdir()
            path = root / name / "echo.py"
            if kind == "link":
                path.symlink_to("/etc/passwd")
            elif kind == "fifo":
                os.mkfifo(path, stat.S_IRUSR | stat.S_IWUSR)
            else:
                path.write_text(wrong, encoding="utf-8")


def table(outcome: Outcome) -> str:
    """Return it all as Markdown."""
    lines = ["| attack | outcome | points | resisted from | here |", "|---|---|---|---|---|"]
    for row in outcome.rows:
        here = "resisted" if row.resisted else "not run" if row.outcome == "not run" else "**FOOLED**"
        lines.append(
            f"| {row.name.replace('_', ' ')}: {row.what} | {row.outcome} | {row.score} (wrong alone: "
            f"{row.base_score}) | {row.level} | {here} |"
        )
    lines += ["", f"sandbox here: {outcome.sandbox}; {len(outcome.rows)} attacks in {outcome.seconds:.0f} s"]
    lines += [f"innocent, {name}: {score} of 20" for name, score in outcome.innocent.items()]
    lines += [f"DAMAGE: {what}" for what in outcome.damage]
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="labkit-attacks-") as folder:
        Path(folder).chmod(0o711)
        outcome = run_all(Path(folder))
    print(table(outcome))
    fooled = [row for row in outcome.rows if not row.resisted and row.outcome != "not run"]
    sys.exit(1 if fooled or outcome.damage or set(outcome.innocent.values()) != {20} else 0)


if __name__ == "__main__":
    main()
