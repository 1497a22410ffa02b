"""The whole way of a newcomer: JupyterLab in a browser, a notebook run by its menus, the page, the report."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from labkit import connect, serve
from labkit.course import course_root
from labkit.course.workspace import init
from labkit.wire import diff

pytestmark = pytest.mark.timeout(600)

START_TIMEOUT_S = 100
RUN_TIMEOUT_MS = 45_000
SEEN_TIMEOUT_MS = 20_000
WHOLE_NOTEBOOK_MS = 120_000
NOTEBOOKS = sorted(path.stem for path in (course_root() / "notebooks").glob("*.ipynb"))
NOTEBOOKS.remove("01_echo")  # it has a test of its own
RIGHT = Path(__file__).parent.parent / "submissions" / "echo" / "right"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a course whose notebooks leave their servers running, so that their pages can be looked at."""
    course = tmp_path_factory.mktemp("lab") / "course"
    init(course)
    for path in (course / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [cell for cell in notebook.cells if not cell.source.endswith("stop_all()")]
        nbformat.write(notebook, path)
    return course


@pytest.fixture(scope="module")
def jupyterlab(course: Path) -> Iterator[str]:
    with jupyterlab_on(course, course.parent / "home") as address:
        yield address


@contextmanager
def jupyterlab_on(course: Path, home: Path) -> Iterator[str]:
    """Start `labkit lab` as a user does, in a home of its own; give the address that it prints."""
    home.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name == "JUPYTER_RUNTIME_DIR" or not name.startswith(("JUPYTER", "XDG_"))
    }
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", "labkit", "lab", "--no-browser", "--port", "0"],
        cwd=course,
        env=environment | {"HOME": str(home), "USERPROFILE": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout])
    reader.start()
    try:
        line = lines.get(timeout=START_TIMEOUT_S)
        found = re.search(r"http://127\.0\.0\.1:\d+/\S+", line)
        assert found, line
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)
        reader.join(10)
        process.stdout.close()


@pytest.fixture
def lab_page(jupyterlab: str, browser: Browser) -> Iterator[Page]:
    with page_on(jupyterlab, browser) as page:
        yield page
        end_kernels(page)


@contextmanager
def page_on(jupyterlab: str, browser: Browser) -> Iterator[Page]:
    """Open JupyterLab and note every request that leaves this machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 950})
    page = context.new_page()
    foreign: list[str] = []
    page.on(
        "request",
        lambda r: foreign.append(r.url) if re.match(r"https?://(?!127\.0\.0\.1|localhost)", r.url) else None,
    )
    page.jupyterlab = jupyterlab
    yield page
    context.close()
    assert foreign == [], "nothing is fetched from outside"


def end_kernels(page: Page) -> None:
    """End the kernels of a JupyterLab, so that the next notebook has the machine to itself."""
    address = urlsplit(page.jupyterlab)
    headers = {"Authorization": f"token {parse_qs(address.query)['token'][0]}"}
    kernels = f"http://{address.netloc}/api/kernels"
    for kernel in page.request.get(kernels, headers=headers).json():
        assert page.request.delete(f"{kernels}/{kernel['id']}", headers=headers).ok


def open_notebook(page: Page, name: str) -> None:
    """Open one notebook, and wait until its kernel is ready: before, JupyterLab runs nothing and says nothing."""
    # reset: without the notebooks that were open before
    page.goto(page.jupyterlab.replace("00_start_here", name) + "&reset")
    expect(page.locator(".jp-Notebook-cell").first).to_be_visible(timeout=START_TIMEOUT_S * 1000)
    expect(page.locator(".jp-Spinner")).to_have_count(0, timeout=START_TIMEOUT_S * 1000)
    expect_idle(page)


def expect_idle(page: Page) -> None:
    """Wait for the kernel: the status bar tells a real state, the notebook's own circle begins as idle."""
    status = page.locator("#jp-main-statusbar").get_by_text("Python 3 (ipykernel) | Idle")
    expect(status).to_be_visible(timeout=START_TIMEOUT_S * 1000)


def run_all(page: Page, notebook: Path, *, timeout_ms: float = RUN_TIMEOUT_MS) -> None:
    """Run → Run All Cells, by the menus, then save; fail with what each broken cell says."""
    page.locator(".jp-Notebook-cell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    first, last = page.locator(".jp-CodeCell").first, page.locator(".jp-CodeCell").last
    expect(first.locator(".jp-InputArea-prompt")).to_have_text(
        re.compile(r"\[\d+\]:"), timeout=RUN_TIMEOUT_MS
    )
    last.scroll_into_view_if_needed()
    expect(last.locator(".jp-InputArea-prompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=timeout_ms)
    expect_idle(page)
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0, timeout=RUN_TIMEOUT_MS)
    cells = [
        cell
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert all(cell["execution_count"] for cell in cells)


def shoot(page: Page, name: str) -> None:
    """Keep a picture where LABKIT_SHOTS says, if it says so."""
    if folder := os.environ.get("LABKIT_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png")


def shoot_both(page: Page, report: Locator) -> None:
    """Take the README's picture: the page in the notebook, and below it the report in a view of its own."""
    page.set_viewport_size({"width": 1280, "height": 1240})
    report.click(button="right")
    page.get_by_text("Create New View for Cell Output", exact=True).click()
    expect(page.locator(".jp-LinkedOutputView")).to_be_visible()
    page.keyboard.press("Control+b")  # hides the file browser
    frame = page.locator("iframe[title^='echo at port']")
    frame.scroll_into_view_if_needed()
    box = page.frame_locator("iframe[title^='echo at port']").get_by_role("textbox")
    for text in ("hello", "how fast is this?", "ünïcödé 🎈"):
        box.fill(text)
        box.press("Enter")
    expect(
        page.frame_locator("iframe[title^='echo at port']").get_by_text("Echo: ünïcödé 🎈 🔊")
    ).to_be_visible()
    shoot(page, "both")


def write_solution(course: Path) -> None:
    """Put a right answer where a learner puts theirs."""
    answer = sorted(RIGHT.glob("*.py"))[0].read_text(encoding="utf-8")
    (course / "exercises" / "echo" / "solution.py").write_text(answer, encoding="utf-8")


def test_the_first_notebook_opens_without_a_question(lab_page: Page):
    open_notebook(lab_page, "00_start_here")
    expect(lab_page.get_by_role("heading", name="Start here: run your first real-time server")).to_be_visible(
        timeout=60_000
    )
    assert lab_page.locator(".jp-Dialog").count() == 0
    assert lab_page.locator(".Toastify__toast").count() == 0


def test_the_echo_notebook_runs_its_page_echoes_and_its_report_is_shown(lab_page: Page, course: Path):
    write_solution(course)
    open_notebook(lab_page, "01_echo")
    run_all(lab_page, course / "notebooks" / "01_echo.ipynb")

    # Run the cell with the page again: the same port, a new server.
    frame_element = lab_page.locator("iframe[title^='echo at port']")
    frame_element.scroll_into_view_if_needed()
    cell = lab_page.locator(".jp-CodeCell", has=frame_element)
    cell.locator(".cm-content").click()
    lab_page.keyboard.press("Control+Enter")
    page = lab_page.frame_locator("iframe[title^='echo at port']")
    box = page.get_by_role("textbox")
    # The frame of the stopped server has a box too: the new one is there when it says so.
    expect(page.locator("#chip")).to_contain_text("Connected", timeout=30_000)
    expect(box).to_be_visible(timeout=30_000)
    box.fill("hello from JupyterLab")
    box.press("Enter")
    expect(page.get_by_text("Echo: hello from JupyterLab 🔊")).to_be_visible(timeout=10_000)
    shoot(lab_page, "page")

    checked = lab_page.locator(".jp-CodeCell", has_text='check("echo")').last
    checked.scroll_into_view_if_needed()
    expect(checked).to_contain_text(re.compile(r"All \d+ checks passed"), timeout=30_000)
    shoot(lab_page, "report")
    if os.environ.get("LABKIT_SHOTS"):
        shoot_both(lab_page, checked.locator(".jp-OutputArea-output"))


@pytest.fixture
def one_cell(course: Path) -> str:
    """Add a notebook that shows a page, and return its name."""
    write_notebook(course, "one_cell", 'from labkit import serve\n\nlab = serve("echo")\nlab.show()')
    return "one_cell"


def write_notebook(course: Path, name: str, *cells: str, outputs: Sequence[Any] = ()) -> Path:
    """Add a notebook of code cells; the outputs, if any, are those of the first."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    if outputs:
        notebook.cells[0].outputs = list(outputs)
        notebook.cells[0].execution_count = 1
    path = course / "notebooks" / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def direct_way(page: Page) -> re.Pattern[str]:
    """Match every address on this machine that is not the Jupyter server's."""
    return re.compile(rf"^(http|ws)://127\.0\.0\.1:(?!{urlsplit(page.jupyterlab).port}/)\d+/")


def test_the_page_comes_through_the_jupyter_server_where_the_port_cannot_be_reached(
    lab_page: Page, one_cell: str, course: Path
):
    """As on JupyterHub and Binder: the browser reaches Jupyter alone, and jupyter-server-proxy does the rest."""
    lab_page.context.route(direct_way(lab_page), lambda route: route.abort())
    open_notebook(lab_page, one_cell)
    run_all(lab_page, course / "notebooks" / "one_cell.ipynb")
    page = lab_page.frame_locator("iframe[title^='echo at port']")
    box = page.get_by_role("textbox")
    expect(page.locator("#chip")).to_contain_text("Connected", timeout=30_000)
    box.fill("through the proxy")
    box.press("Enter")
    expect(page.get_by_text("Echo: through the proxy 🔊")).to_be_visible(timeout=10_000)
    assert any("/proxy/" in frame.url for frame in lab_page.frames)


def test_where_websockets_do_not_get_through_the_frame_says_so(lab_page: Page, one_cell: str, course: Path):
    open_notebook(lab_page, one_cell)
    lab_page.add_init_script(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onerror?.()) } close() {} }"
    )
    run_all(lab_page, course / "notebooks" / "one_cell.ipynb")
    frame = lab_page.frame_locator("iframe[title^='echo at port']")
    expect(frame.get_by_text("HTTP gets through to the server, WebSockets do not.")).to_be_visible(
        timeout=20_000
    )
    expect(frame.get_by_role("button", name="Open the page all the same")).to_be_visible()


def test_where_nothing_gets_through_the_frame_says_what_to_do(lab_page: Page, one_cell: str, course: Path):
    lab_page.context.route(direct_way(lab_page), lambda route: route.abort())
    lab_page.context.route(re.compile("/proxy/"), lambda route: route.abort())
    open_notebook(lab_page, one_cell)
    run_all(lab_page, course / "notebooks" / "one_cell.ipynb")
    frame = lab_page.frame_locator("iframe[title^='echo at port']")
    expect(frame.get_by_text("cannot be reached from this browser")).to_be_visible(timeout=20_000)
    expect(frame.get_by_text("run the cell that starts it again")).to_be_visible()
    shoot(lab_page, "unreachable")


def test_shift_enter_goes_on_past_pages_that_load_and_the_keyboard_comes_back_from_them(
    lab_page: Page, course: Path
):
    """A page that takes the keyboard when it has loaded swallows the next Shift+Enter."""
    apps = ("chat", "drawing", "echo")
    cells = [f'from labkit import serve\n\n{app} = serve("{app}")\n{app}.show()' for app in apps]
    write_notebook(course, "keys", *cells, "6 * 7")
    open_notebook(lab_page, "keys")
    prompts = lab_page.locator(".jp-CodeCell .jp-InputArea-prompt")
    lab_page.locator(".jp-CodeCell .cm-content").first.click()
    for number, app in enumerate(apps):
        lab_page.keyboard.press("Shift+Enter")
        box = lab_page.frame_locator(f"iframe[title^='{app} at port']").get_by_role("textbox").first
        expect(box).to_be_visible(timeout=30_000)
        expect(box).not_to_be_focused()
        expect(prompts.nth(number)).to_have_text(f"[{number + 1}]:", timeout=RUN_TIMEOUT_MS)
    lab_page.keyboard.press("Shift+Enter")
    last = lab_page.locator(".jp-CodeCell").nth(len(apps))
    expect(last.locator(".jp-OutputArea-output")).to_have_text("42", timeout=RUN_TIMEOUT_MS)

    box.focus()  # somebody turns to the page, and leaves it with Tab alone
    for _ in range(20):
        lab_page.keyboard.press("Tab")
        if lab_page.evaluate("document.activeElement.tagName") != "IFRAME":
            return
    raise AssertionError("Tab never left the page")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_notebook_runs_whole_and_its_pages_work(name: str, lab_page: Page, course: Path):
    notebook = course / "notebooks" / f"{name}.ipynb"
    open_notebook(lab_page, name)
    run_all(lab_page, notebook, timeout_ms=WHOLE_NOTEBOOK_MS)
    frames = lab_page.locator("iframe[title*=' at port ']")
    titles = {frame.get_attribute("title") for frame in frames.all()}
    assert titles or ".show(" not in notebook.read_text(encoding="utf-8")
    for title in titles:
        frames_of_it = f"iframe[title='{title}']"
        lab_page.locator(frames_of_it).first.scroll_into_view_if_needed()
        heading = lab_page.frame_locator(frames_of_it).first.get_by_role("heading", level=1)
        expect(heading).to_be_visible(timeout=30_000)
        shoot(lab_page, f"{name}-{title.split()[0]}")


# -- the wire -----------------------------------------------------------------------------------------


def test_the_pictures_of_a_wire_are_seen_in_a_notebook_that_is_not_trusted(lab_page: Page, course: Path):
    """A notebook that somebody else ran and sent: JupyterLab lets no script, no style sheet and no SVG through."""
    with serve("lifecycle") as lab:
        ws = connect(lab.wire, "/ws/ada")
        ws.send("hello")
        ws.receive()
        ws.close(4000, "lunch")
        connect(lab.wire, "/ws/cut").abort()
        lab.wire.expect().closed_by("nobody")
        wire, trace = lab.wire, lab.wire.trace()
        shown = [
            wire._repr_mimebundle_(),
            *(
                {"text/html": each._repr_html_(), "text/plain": str(each)}
                for each in (
                    trace[1].frames[0].bits(),
                    trace[1].handshake.explain(),
                    diff(trace[2], trace[1]),
                    trace.table(),
                )
            ),
            wire.live()._repr_mimebundle_()[0],
        ]
    outputs = [nbformat.v4.new_output("display_data", data=each) for each in shown]
    write_notebook(course, "untrusted", "shown_by_somebody_else()", outputs=outputs)
    open_notebook(lab_page, "untrusted")

    shown_outputs = lab_page.locator(".jp-OutputArea-output")
    expect(shown_outputs).to_have_count(6, timeout=SEEN_TIMEOUT_MS)
    picture = lab_page.get_by_role("img", name="Timeline of connection 1: /ws/ada").first
    expect(picture).to_be_visible(timeout=SEEN_TIMEOUT_MS)
    expect(picture).to_have_js_property("complete", True, timeout=SEEN_TIMEOUT_MS)
    assert picture.evaluate("image => image.complete && image.naturalHeight > 400")
    expect(picture).to_have_attribute(
        "alt", re.compile(r"Closed first by the client, with 4000 \(private code\)")
    )
    second = lab_page.get_by_role("img", name="No close frame: this is your 1006").first
    expect(second).to_have_js_property("complete", True, timeout=SEEN_TIMEOUT_MS)
    assert second.evaluate("image => image.complete && image.naturalHeight > 300")
    shot_of(lab_page, shown_outputs.nth(0), "wire-untrusted")
    words = shown_outputs.nth(0).locator("details").first
    words.get_by_text("the same in words").click()
    expect(words.locator("pre")).to_contain_text(
        "client ──▶ server  text 'hello' (5 bytes)", timeout=SEEN_TIMEOUT_MS
    )

    for place, text in (
        (1, "masking key"),
        (2, "Sec-WebSocket-Accept"),
        (3, "this is your 1006"),
        (4, "wire_bytes"),
    ):
        expect(shown_outputs.nth(place)).to_contain_text(text, timeout=SEEN_TIMEOUT_MS)
        shot_of(lab_page, shown_outputs.nth(place), f"wire-untrusted-{place}")
    tint = shown_outputs.nth(1).locator("td", has_text="opcode").first
    assert tint.evaluate("cell => getComputedStyle(cell).backgroundColor") == "rgba(62, 130, 247, 0.22)"
    expect(shown_outputs.nth(5).locator("img").first).to_be_visible(
        timeout=SEEN_TIMEOUT_MS
    )  # the widget's place has the picture


def shot_of(page: Page, output: Locator, name: str) -> None:
    """Keep a picture of one output, as `shoot()` does."""
    if os.environ.get("LABKIT_SHOTS"):
        output.scroll_into_view_if_needed()
        output.screenshot(path=f"{os.environ['LABKIT_SHOTS']}/{name}.png")


LIVE = """
from labkit import serve, connect

lab = serve("lifecycle")
lab.wire.live()
"""

TALK = """
ws = connect(lab.wire, "/ws/ada")
ws.send("hello")
ws.receive()
lab.wire
"""


@pytest.fixture
def dark_theme(course: Path) -> Iterator[None]:
    """Let JupyterLab be dark for one test, by its own settings."""
    settings = course / ".labkit/jupyterlab/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    theme = settings / "themes.jupyterlab-settings"
    theme.write_text('{"theme": "JupyterLab Dark"}', encoding="utf-8")
    yield
    theme.unlink()


@pytest.mark.usefixtures("dark_theme")
def test_the_live_view_of_a_wire_moves_and_its_buttons_break_things(lab_page: Page, course: Path):
    notebook = write_notebook(course, "live", LIVE, TALK)
    open_notebook(lab_page, "live")
    run_all(lab_page, notebook)
    view = lab_page.get_by_role("region", name="The wire, live")
    expect(view.get_by_text("'hello'", exact=True)).to_be_visible(timeout=SEEN_TIMEOUT_MS)
    expect(view.get_by_text("Still open.")).to_be_visible(timeout=SEEN_TIMEOUT_MS)

    view.get_by_role("button", name=re.compile("frame 1 from the client: text 'hello'")).click()
    expect(view.get_by_role("region", name="Bits of a frame")).to_contain_text(
        "masking key", timeout=SEEN_TIMEOUT_MS
    )
    expect(view.get_by_role("region", name="Bits of a frame")).to_contain_text(
        "payload: 'hello'", timeout=SEEN_TIMEOUT_MS
    )
    shot_of(lab_page, view, "wire-live")

    view.get_by_role("button", name="200 ms late").click()
    expect(view.locator(".at-work")).to_have_text("! at work: 200 ms late", timeout=SEEN_TIMEOUT_MS)
    view.get_by_role("button", name="all well again").click()
    expect(view.locator(".at-work")).to_have_text("", timeout=SEEN_TIMEOUT_MS)
    view.get_by_role("button", name="cut (RST)").click()
    expect(view.get_by_text("No close frame: this is your 1006; a fault cut the connection")).to_be_visible(
        timeout=SEEN_TIMEOUT_MS
    )
    view.get_by_label("text", exact=True).uncheck()
    expect(view.get_by_text("'hello'", exact=True)).to_have_count(0, timeout=SEEN_TIMEOUT_MS)
    shot_of(lab_page, view, "wire-live-cut")

    picture = lab_page.get_by_role("img", name="Timeline of connection 1: /ws/ada")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("image => getComputedStyle(image).colorScheme") == "dark"  # as the theme is
    shot_of(lab_page, picture, "wire-dark")


def test_a_live_view_leaves_its_picture_when_the_wire_is_stopped_and_the_notebook_is_opened_again(
    lab_page: Page, course: Path
):
    """Trusted, as one's own notebooks are: JupyterLab would rather show the widget, which is not there any more."""
    notebook = write_notebook(course, "live_kept", LIVE, TALK, "lab.stop()")
    open_notebook(lab_page, "live_kept")
    run_all(lab_page, notebook)
    view = lab_page.get_by_role("region", name="The wire, live")
    picture = lab_page.get_by_role("img", name=re.compile("Closed first by the server, with 1012"))
    expect(picture).to_be_visible(timeout=SEEN_TIMEOUT_MS)
    expect(view).to_have_count(0)
    lab_page.keyboard.press("Control+s")
    expect(lab_page.locator(".jp-mod-dirty")).to_have_count(0, timeout=RUN_TIMEOUT_MS)
    end_kernels(lab_page)

    open_notebook(lab_page, "live_kept")
    expect(picture).to_be_visible(timeout=SEEN_TIMEOUT_MS)
    expect(lab_page.get_by_text("model not found")).to_have_count(0)
