"""What a real kernel shows of labkit's errors, and what an interrupt leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager

from labkit.course import course_root
from labkit.course.kernels import OwnKernelOnly
from labkit.course.transport import connection_options

pytestmark = pytest.mark.slow

DEADLINE_S = 120
NOTEBOOKS = course_root() / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@contextmanager
def started(manager: KernelManager, workspace: Path) -> Iterator[Any]:
    """Start a manager's kernel in the workspace, give its client, and leave nothing of it."""
    manager.start_kernel(cwd=str(workspace / "notebooks"))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=DEADLINE_S)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()


@pytest.fixture
def course_kernel(workspace: Path) -> Iterator[Any]:
    """Start a kernel as `labkit lab` does; give its client."""
    manager = KernelManager(
        kernel_name="python3", kernel_spec_manager=OwnKernelOnly(), **connection_options()
    )
    with started(manager, workspace) as client:
        yield client


@pytest.fixture
def kernel(workspace: Path) -> Iterator[Any]:
    """Start a kernel as any Jupyter does; give its manager and client."""
    manager = KernelManager(kernel_name="python3", **connection_options())
    with started(manager, workspace) as client:
        yield manager, client


def run(client: Any, source: str) -> list[Any]:
    """Run a cell and return its outputs' contents."""
    outputs: list[Any] = []
    client.execute_interactive(source, timeout=DEADLINE_S, output_hook=outputs.append, stop_on_error=False)
    return [message["content"] for message in outputs if message["msg_type"] != "status"]


def error_of(client: Any, source: str) -> str:
    """Run a cell that fails and return what the notebook shows, without colours."""
    shown = [content for content in run(client, source) if "traceback" in content]
    assert len(shown) == 1
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(shown[0]["traceback"]))


def test_a_running_check_shows_a_line_for_each_check_and_then_the_report_alone(kernel):
    _, client = kernel
    bank = Path(__file__).parent.parent / "submissions" / "echo"
    outputs: list[Any] = []
    client.execute_interactive(
        f"from labkit import check; check('echo', {str(bank / 'wrong' / 'no_page.py')!r})",
        timeout=DEADLINE_S,
        output_hook=outputs.append,
    )
    told = [
        (message["msg_type"], message["content"]["data"]["text/plain"])
        for message in outputs
        if "data" in message["content"]
    ]
    kinds = [kind for kind, _ in told]
    assert kinds == ["display_data", *["update_display_data"] * 13, "execute_result"]
    assert told[0][1].startswith("echo: 0 of 12 checks\n· A text `T` is answered by")
    assert told[1][1].startswith("echo: 1 of 12 checks\n✓ A text `T` is answered by")
    assert "✗ `GET /` shows an HTML page" in told[12][1]
    assert told[13][1] == ""
    assert "10 of 12 checks passed" in told[14][1]


def test_a_hint_says_what_to_call_for_the_next_one_and_not_what_to_type_in_a_terminal(kernel):
    _, client = kernel
    told = run(client, "from labkit import hint\nhint('echo', 'one_reply', level=2)")[-1]["data"]
    assert told["text/plain"].endswith('\nMore: hint("echo", "one_reply", level=3)')
    assert "More: hint(&quot;echo&quot;, &quot;one_reply&quot;, level=3)" in told["text/html"]
    told = run(client, "hint('echo', 'one_reply', level=3)")[-1]["data"]
    assert "More" not in told["text/plain"]


def test_no_hint_is_given_for_what_has_passed_unless_it_is_asked_for(kernel, workspace):
    _, client = kernel
    (workspace / ".labkit").mkdir(exist_ok=True)
    (workspace / ".labkit" / "progress.json").write_text('{"echo": {"outcome": "passed"}}', encoding="utf-8")
    told = run(client, "from labkit import hint\nhint('echo')")[-1]["data"]
    assert told["text/plain"].startswith("one_reply: "), "there is no solution any more"
    (workspace / "exercises" / "echo" / "solution.py").write_text("app = None", encoding="utf-8")
    told = run(client, "hint('echo')")[-1]["data"]
    assert told["text/plain"] == "Your last check of 'echo' passed everything: no hint is needed."
    told = run(client, "hint('echo', 'one_reply')")[-1]["data"]
    assert told["text/plain"].startswith("one_reply: ")


def test_an_error_of_labkit_is_shown_as_its_message_alone(kernel):
    _, client = kernel
    run(client, "from labkit import serve, connect, check, hint")
    assert error_of(client, "serve('ehco')") == (
        "UnknownName: There is no app called 'ehco'.\n"
        f"Expected: one of {', '.join(app_names())}.\n"
        "Try: 'echo' - is that what you meant?"
    )
    assert error_of(client, "check('ecko')").startswith("UnknownName: There is no exercise called 'ecko'.")
    assert error_of(client, "connect('ws://127.0.0.1:1/')").startswith("ConnectError: Nothing listens at")
    assert error_of(client, "%%solution\nx = 1").startswith(
        "LabError: %%solution needs the name of an exercise."
    )


def app_names() -> tuple[str, ...]:
    from labkit.apps import APP_NAMES

    return APP_NAMES


def test_an_app_that_fails_to_start_shows_the_learners_own_line(kernel):
    _, client = kernel
    shown = error_of(
        client,
        "from contextlib import asynccontextmanager\n"
        "from fastapi import FastAPI\n"
        "from labkit import serve\n"
        "@asynccontextmanager\n"
        "async def lifespan(app):\n"
        "    raise ValueError('no database')\n"
        "    yield\n"
        "serve(FastAPI(lifespan=lifespan, title='shop'))",
    )
    assert shown.startswith("ServeError: shop failed while it was starting: ValueError: no database")
    assert "raise ValueError('no database')" in shown
    assert "site-packages" not in shown


def test_the_interrupt_button_ends_a_receive_and_the_connection_goes_on(kernel):
    manager, client = kernel
    run(client, "from labkit import serve, connect\nlab = serve('echo')\nws = connect(lab)")
    # stop_on_error: the kernel drops what is asked just after an error, as JupyterLab's Run All wants it
    client.execute("print('waiting', flush=True)\nws.receive(timeout_s=600)", stop_on_error=False)
    while client.get_iopub_msg(timeout=DEADLINE_S)["content"].get("text", "").strip() != "waiting":
        pass
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=DEADLINE_S)["content"]["ename"] == "KeyboardInterrupt"
    outputs = run(client, "ws.send('still here')\nprint(ws.receive())")
    assert [content["text"] for content in outputs if "text" in content] == ["Echo: still here 🔊\n"]


def test_running_a_cell_again_keeps_the_port_in_a_real_kernel(kernel):
    """JupyterLab sends the cell's id; a front end that sends none is known by the cell's source."""
    _, client = kernel
    source = "from labkit import serve\nlab = serve('echo')\nprint(lab.port)"
    first, again = (run(client, source)[-1]["text"] for _ in range(2))
    assert first == again


def test_a_kernel_that_is_shut_down_leaves_no_server(kernel):
    import socket

    manager, client = kernel
    port = int(run(client, "from labkit import serve\nlab = serve('echo')\nprint(lab.port)")[-1]["text"])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    manager.shutdown_kernel()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


BLOCKED = """import time
from fastapi import FastAPI, WebSocket
from labkit import serve, connect

app = FastAPI(title="stuck")

@app.websocket("/ws")
async def handler(ws: WebSocket):
    await ws.accept()
    await ws.send_text("now")
    {blocking}

lab = serve(app)
ws = connect(lab)
print(ws.receive())
"""


@pytest.mark.parametrize(
    ("blocking", "patience_s", "end"),
    [
        ("time.sleep(3600)", 0.2, "It is left behind and ends when that call returns"),
        ("while True: pass", 20.0, "It has been broken off."),
    ],
)
def test_a_handler_that_hangs_is_named_by_the_next_cells_and_freezes_nothing(
    kernel, blocking, patience_s, end
):
    manager, client = kernel
    run(client, f"from labkit.host import stuck\nstuck.BREAK_OFF_TIMEOUT_S = {patience_s}")
    assert run(client, BLOCKED.format(blocking=blocking))[-1]["text"] == "now\n"
    assert "is its event loop blocked?" in error_of(client, "connect(lab, timeout_s=1)")
    assert error_of(client, "ws.receive(timeout_s=0.5)").startswith("ReceiveTimeout: Nothing arrived")

    told = "".join(content.get("text", "") for content in run(client, "lab.stop()"))
    assert f"a handler blocks its event loop in handler(), line 11: {blocking}" in told
    assert end in told
    outputs = run(client, "lab = serve('echo')\nws = connect(lab)\nws.send('on')\nprint(ws.receive())")
    assert [content["text"] for content in outputs if "text" in content] == ["Echo: on 🔊\n"]
    manager.shutdown_kernel()
    assert not manager.is_alive()


def test_a_handler_that_raises_is_told_by_the_next_cell_and_in_the_log(kernel):
    _, client = kernel
    run(client, BLOCKED.format(blocking="1 / 0"))
    assert error_of(client, "ws.receive()").startswith("ConnectionClosed: ")
    shown = run(client, "print(lab.logs.wait_for('ZeroDivisionError').text)")[-1]["text"]
    assert "in handler\n    1 / 0\n" in shown
    assert "site-packages" not in shown


def test_nested_lets_a_script_run_in_a_cell(kernel):
    _, client = kernel
    script = "import asyncio\nasync def main(): return 'ran'\nprint(asyncio.run(main()))"
    assert "cannot be called from a running event loop" in error_of(client, script)
    outputs = run(client, f"from labkit.host import nested\nnested()\n{script}")
    assert outputs[-1]["text"] == "ran\n"


@pytest.mark.parametrize("name", NAMES)
def test_each_cell_of_a_notebook_says_what_to_run_first(name, course_kernel):
    """From the last cell to the first in a fresh kernel: nothing that a cell needs is there, not even labkit."""
    bare = []
    for cell in reversed(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells):
        if cell.cell_type != "code":
            continue
        for content in run(course_kernel, cell.source):
            shown = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content.get("traceback", [])))
            if "NameError" in shown and "Try: first run the cell that begins with" not in shown:
                bare.append((cell.id, shown))
    assert bare == []


def test_a_name_that_no_cell_makes_keeps_its_traceback(course_kernel):
    shown = error_of(course_kernel, "def look():\n    return undefined_anywhere\n\nlook()")
    assert "----> 4 look()" in shown
    assert "name 'undefined_anywhere' is not defined" in shown


def test_a_name_error_can_still_be_caught(course_kernel):
    outputs = run(course_kernel, "try:\n    serve('echo')\nexcept NameError as error:\n    print(error)")
    assert [content["text"] for content in outputs if "text" in content] == ["name 'serve' is not defined\n"]


def test_the_notebook_that_jupyter_names_decides(course_kernel, workspace):
    """Two notebooks have the same cell; the kernel is told whose it is."""
    cells = {"one": "town = 'Oslo'", "two": "town = 'Rome'"}
    for name, maker in cells.items():
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(maker), nbformat.v4.new_code_cell("print(town)")]
        nbformat.write(notebook, workspace / "notebooks" / f"{name}.ipynb")
    for name, maker in cells.items():
        path = str(workspace / "notebooks" / f"{name}.ipynb")
        run(course_kernel, f"import os\nos.environ['JPY_SESSION_NAME'] = {path!r}")
        assert f"begins with  {maker};" in error_of(course_kernel, "print(town)")


def test_somebody_elses_handler_for_errors_stays(kernel):
    _, client = kernel
    run(
        client,
        "get_ipython().set_custom_exc((ZeroDivisionError,), lambda *a, **k: print('theirs'))\nimport labkit",
    )
    assert [content["text"] for content in run(client, "1 / 0") if "text" in content] == ["theirs\n"]
