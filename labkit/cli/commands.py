"""The commands: arguments, one call, an exit code. What a command needs is imported when it runs.

Exit codes: 0 done, or all checks passed · 1 a check failed · 2 something could not be done at all.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from labkit import __version__
from labkit.cli.terminal import (
    has_browser,
    make_streams_forgiving,
    stop_signals,
    tell_end,
    write_json,
)
from labkit.errors import LabError

UNUSABLE = 2

app = typer.Typer(
    name="labkit",
    help="Learn real-time web programming with FastAPI WebSockets.",
    epilog="New here? Run: labkit lab",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="The port; 0 for any free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Open no browser window.")]
Exercise = Annotated[
    str, typer.Argument(metavar="EXERCISE", help="The exercise's name, such as echo.", show_default=False)
]

FillCanvas = Annotated[
    Path | None,
    typer.Option("--fill-canvas", metavar="CSV", help="Fill in a copy of a gradebook exported from Canvas."),
]
FillMoodle = Annotated[
    Path | None,
    typer.Option(
        "--fill-moodle", metavar="CSV", help="Fill in a copy of Moodle's offline grading worksheet."
    ),
]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (default: the process's own) and exit with its code."""
    make_streams_forgiving()
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="labkit")
    except LabError as error:
        sys.stdout.flush()
        typer.echo(str(error), err=True)
        sys.exit(UNUSABLE)
    sys.exit(0)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"labkit {__version__}")
        raise typer.Exit


@app.callback()
def labkit(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Learn real-time web programming with FastAPI WebSockets."""


@app.command(epilog="Example: labkit lab my-course")
def lab(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", show_default=False)] = None,
    port: Port = None,
    no_browser: NoBrowser = False,
) -> None:
    """Open JupyterLab on the course.

    DIR is a course made by `labkit init`; one is made there if there is none. Without DIR it is the course
    around the current folder, or a new ./labkit-course. It listens on this machine only.
    """
    from labkit.course.jupyterlab import CourseLab, choose_workspace

    if port:
        from labkit.host.sockets import listen

        listen(port).close()  # says who has it, if it is taken
    root, made = choose_workspace(folder)
    if made is not None:
        typer.echo(made.render_text())
    course_lab = CourseLab(root, port=port, browser=not no_browser and has_browser())
    with stop_signals(course_lab.stop):
        course_lab.run(lambda: typer.echo(f"JupyterLab: {course_lab.url} (Ctrl-C stops it)"))
    tell_end("JupyterLab and its kernels are stopped.")


@app.command(epilog="Example: labkit init my-course")
def init(folder: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)]) -> None:
    """Copy the course to a folder of your own, or bring a copy up to date.

    A file that you changed is never overwritten: if the course has a newer one too, that is put beside yours
    as NAME.new.
    """
    from labkit.course.workspace import init as init_workspace

    typer.echo(init_workspace(folder).render_text())


@app.command(epilog="Example: labkit demo echo")
def demo(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The app's name, such as echo.", show_default=False)
    ],
    port: Port = None,
    no_browser: NoBrowser = False,
    lan: Annotated[
        bool,
        typer.Option("--lan", help="Let everyone on your network join: shows the address and its QR code."),
    ] = False,
) -> None:
    """Serve one of the kit's apps, until Ctrl-C. Without --lan, only this machine can open it."""
    from labkit.cli.presenting import present

    present(name, port=port, lan=lan, browser=not no_browser)


@app.command(epilog="Example: labkit check echo exercises/echo/solution.py")
def check(
    exercise: Exercise,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Default: your solution.py, or %%solution cell, whichever is newer.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Check again whenever the file changes. Where changes go unseen (network drives, some "
            "containers), set WATCHFILES_FORCE_POLLING=1.",
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Repeat a run with the same random data.", show_default=False)
    ] = None,
) -> None:
    """Check a solution. Exit code 0: all passed, 1: something failed, 2: the file cannot be judged."""
    if watch and as_json:
        raise typer.BadParameter("use either --watch or --json.")
    if watch:
        from labkit.cli.watching import watch as watch_solution

        watch_solution(exercise, file, seed)
        return
    from labkit.cli.checking import check as check_once
    from labkit.cli.checking import check_json

    raise typer.Exit((check_json if as_json else check_once)(exercise, file, seed))


@app.command(epilog="Example: labkit hint echo --level 2")
def hint(
    exercise: Exercise,
    check: Annotated[
        str | None,
        typer.Argument(
            metavar="CHECK", help="Its id; default: the first that did not pass.", show_default=False
        ),
    ] = None,
    level: Annotated[
        int, typer.Option(min=1, max=3, help="1 asks a question, 2 names the cause, 3 points at the place.")
    ] = 1,
) -> None:
    """Show a hint for one check of an exercise: a step further, never the answer."""
    from labkit.grader import hints_for

    typer.echo(str(hints_for(exercise, check, level=level)))


@app.command(epilog="Example: labkit solution echo --give-up")
def solution(
    exercise: Exercise,
    give_up: Annotated[bool, typer.Option("--give-up", help="Show it without full marks.")] = False,
) -> None:
    """Show the reference solution of an exercise, after your own has full marks."""
    from labkit.grader.reference_solution import reference_solution

    typer.echo(reference_solution(exercise, give_up=give_up), nl=False)


@app.command(epilog="Example: labkit grade class/ --out results/ --require-sandbox landlock")
def grade(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where the results go.")] = None,
    exercise: Annotated[
        str | None, typer.Option("--exercise", help="All submissions are for this one.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="How many at once; default: one a core.", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from what is judged already, or judge all again.")
    ] = True,
    require_sandbox: Annotated[
        str | None,
        typer.Option(
            "--require-sandbox",
            metavar="LEVEL",
            help="Refuse to run below process, limits, landlock or bubblewrap.",
            show_default=False,
        ),
    ] = None,
    manual: Annotated[
        Path | None,
        typer.Option(
            "--manual", metavar="CSV", help="Points by hand: student,exercise,points,max_points,comment."
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Only a part of the class, such as 3/8.")
    ] = None,
    fill_canvas: FillCanvas = None,
    fill_moodle: FillMoodle = None,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="NAME", help="Print a job for a cluster: slurm or k8s."),
    ] = None,
) -> None:
    """Judge the submissions of a class, and write results.json, tables, pages and exports.

    DIR holds a folder or zip archive for each student, with files such as chat.py or chat.ipynb; with --exercise
    also files such as ada.py. Of a notebook, the last cell of %%solution NAME counts. Interrupted, it goes on from
    where it was when it is run again.
    """
    from labkit.cli import grading

    if template is not None:
        typer.echo(grading.template(template), nl=False)
        return
    if folder is None or out is None:
        raise typer.BadParameter("name the class's folder, and with --out where the results go.")
    raise typer.Exit(
        grading.grade_class(
            folder,
            out,
            exercise=exercise,
            workers=workers,
            resume=resume,
            require=require_sandbox,
            manual=manual,
            shard=shard,
            canvas=fill_canvas,
            moodle=fill_moodle,
        )
    )


@app.command(epilog="Example: labkit merge results/part-* --out results/all")
def merge(
    parts: Annotated[list[Path], typer.Argument(metavar="DIR...", show_default=False)],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results go.")],
    manual: Annotated[
        Path | None,
        typer.Option("--manual", metavar="CSV", help="Points by hand: student,exercise,points."),
    ] = None,
    fill_canvas: FillCanvas = None,
    fill_moodle: FillMoodle = None,
) -> None:
    """Put together what several `labkit grade --shard` have judged."""
    from labkit.cli.grading import merge_class

    raise typer.Exit(merge_class(parts, out, manual=manual, canvas=fill_canvas, moodle=fill_moodle))


@app.command(epilog="Example: labkit swarm ws://127.0.0.1:8000/ws/user{n} --clients 50 --rate 2")
def swarm(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="{n} in it becomes each client's number.", show_default=False)
    ],
    clients: Annotated[int, typer.Option("--clients", "-n", help="How many, up to 2000.")] = 20,
    rate: Annotated[
        float, typer.Option("--rate", metavar="HZ", help="Messages a second of each; 0 only listens.")
    ] = 1.0,
    seconds: Annotated[float, typer.Option("--seconds", help="How long to measure, up to 600.")] = 10.0,
    message: Annotated[
        str, typer.Option("--message", help="What they send; needs {marker}, may be JSON.")
    ] = "Hello from user {n} {marker}",
    expect: Annotated[
        str, typer.Option("--expect", help="Who gets a message back: auto, echo, everyone, nothing.")
    ] = "auto",
    own_server: Annotated[
        bool, typer.Option("--i-own-this-server", help="Allow a server on your private network.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Let simulated users talk to a server of yours, and report latencies, losses and closes.

    Where each user has an address of its own, as in chat's /ws/ID, put {n} into it: /ws/user{n}. At /ws/draw they
    draw. Ctrl-C ends it
    early and shows what there is. Exit code 0: everybody stayed and nothing was lost, 1: otherwise, 2: it could
    not start.
    """
    from labkit.swarm import SwarmPlan, run_swarm

    plan = SwarmPlan(
        url,
        clients=clients,
        rate_hz=rate,
        duration_s=seconds,
        message=message,
        expect=expect,  # type: ignore[arg-type]
        own_server=own_server,
    )
    stopped = threading.Event()
    with stop_signals(stopped.set):
        report = run_swarm(plan, on_progress=lambda line: typer.echo(line, err=True), stop=stopped)
    if as_json:
        write_json(report.to_json())
    else:
        from rich.console import Console

        from labkit.swarm import render_text

        Console().print(render_text(report))
    raise typer.Exit(0 if report.clean else 1)


@app.command(epilog="Example: labkit wire ws://127.0.0.1:8000 --save trace.json")
def wire(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="The server: ws://, wss://, http:// or https://.", show_default=False
        ),
    ],
    port: Port = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="FILE", help="Write the record there at the end, as JSON.", show_default=False
        ),
    ] = None,
) -> None:
    """Record what goes to a server, and print every frame as it passes, until Ctrl-C.

    It prints an address of its own: let your client connect there instead. Cookies, Authorization and tokens are
    hidden.
    """
    from labkit.cli.wiring import wire_up

    wire_up(url, port=port or 0, save=save)


@app.command(epilog="Example: labkit doctor")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Tell what is installed, what works, and what to do about the rest."""
    from labkit.doctor import examine

    if as_json:
        report = examine()
        write_json(report.to_json())
    else:
        report = examine(on_finding=lambda finding: typer.echo(finding.render_text()))
        typer.echo(report.summary)
    raise typer.Exit(report.exit_code)


dev = typer.Typer(help="For authors of exercises and lessons, in a checkout.", no_args_is_help=True)
app.add_typer(dev, name="dev")
Exercises = Annotated[
    list[str] | None, typer.Argument(metavar="EXERCISE...", help="Default: all.", show_default=False)
]


@dev.command("check", epilog="Example: labkit dev check echo")
def dev_check(exercises: Exercises = None) -> None:
    """Check exercises and their banks.

    The starter counts as not attempted, right submissions get full marks, wrong ones fail where they say they do,
    hints lead on and give nothing away, points add up.
    """
    from labkit.cli.authoring import check_exercises

    raise typer.Exit(check_exercises(exercises or []))


@dev.command("matrix", epilog="Example: labkit dev matrix --csv > matrix.csv")
def dev_matrix(
    exercises: Exercises = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of Markdown.")] = False,
) -> None:
    """Print which check catches which wrong submission. Exit code 1: a check is the only one to catch none."""
    from labkit.cli.authoring import write_matrix

    raise typer.Exit(write_matrix(exercises or [], as_csv=as_csv))


@dev.command("agree", epilog="Example: labkit dev agree chat")
def dev_agree(exercises: Exercises = None) -> None:
    """Judge every submission of the banks by plain pytest too, and tell where the two differ."""
    from labkit.cli.authoring import compare_with_pytest

    raise typer.Exit(compare_with_pytest(exercises or []))


@dev.command("publish", epilog="Example: labkit dev publish site")
def dev_publish(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the pages go.", show_default=False)],
    notebooks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NOTEBOOK...", help="Such as 00_start_here; default: all.", show_default=False
        ),
    ] = None,
    limit: Annotated[
        float, typer.Option("--limit", metavar="SECONDS", min=1, help="What each notebook may take.")
    ] = 180.0,
) -> None:
    """Run the notebooks and write what they show as pages to read, with a table of contents.

    The pages load nothing from anywhere. DIR may hold other files; what an earlier run wrote there is replaced.
    Exit code 1: a notebook did not run to its end; the others are there.
    """
    from labkit.cli.publishing import publish_course

    raise typer.Exit(publish_course(folder, notebooks or [], limit))
