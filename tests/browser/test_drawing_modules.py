"""The drawing page's modules that know no DOM, each by itself: the copy of the board, the outbox, a stroke, ink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page

from labkit import serve
from labkit.apps.page_files import add_page
from labkit.board.palette import PALETTE

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    app = FastAPI(title="modules")
    add_page(app, "drawing")
    with serve(app) as lab:
        page = browser.new_page()
        page.goto(f"{lab.url}/")
        yield page
        page.close()


@pytest.fixture
def run(page: Page) -> Run:
    """Return run(script, argument), which has the modules as `m` and returns what the script returns."""

    def run(script: str, argument: Any = None) -> Any:
        names = ["board", "outbox", "stroke", "paper", "paint", "markers", "hand"]
        imports = ", ".join(f'import("/static/drawing/{name}.js")' for name in names)
        return page.evaluate(
            f"async (argument) => {{ const m = Object.assign({{}}, ...await Promise.all([{imports}])); {script} }}",
            argument,
        )

    return run


BOARD = """
    const board = new m.Board();
    board.replace([], 0);
    board.takeDamage();
    const pen = {artist_id: "a", color: "#112233", tool: "pen", width: 4, points: [[1, 2]]};
    const item = (id, more) => ({id, ...pen, ...more});
    const ids = () => board.items.map(({id}) => id).join();
"""


def test_a_stroke_grows_ends_and_takes_its_place(run: Run) -> None:
    assert run(
        BOARD
        + """
        board.apply({type: "begin", seq: 1, ...item("one")});
        board.apply({type: "points", seq: 2, id: "one", at: 1, points: [[3, 4], [5, 6]]});
        const growing = board.growing.map(({points}) => points);
        board.apply({type: "end", seq: 3, id: "one", order: 3});
        return [growing, board.growing.length, board.items.map(({points, order}) => [points, order])];
        """
    ) == [[[1, 2, 3, 4, 5, 6]], 0, [[[1, 2, 3, 4, 5, 6], 3]]]


def test_what_was_heard_already_changes_nothing(run: Run) -> None:
    assert run(
        BOARD
        + """
        const ops = [
          {type: "begin", seq: 1, ...item("one")},
          {type: "points", seq: 2, id: "one", at: 1, points: [[3, 4]]},
          {type: "points", seq: 3, id: "one", at: 1, points: [[9, 9]]},
          {type: "end", seq: 4, id: "one", order: 4},
          {type: "draw", seq: 5, ...item("two"), order: 5},
        ];
        const first = ops.map((op) => board.apply(op));
        const again = ops.map((op) => board.apply(op));
        return [first.every(Boolean), again.some(Boolean), ids(), board.items[0].points];
        """
    ) == [True, False, "one,two", [1, 2, 3, 4]]


def test_a_redone_item_has_its_old_place_and_is_painted_anew(run: Run) -> None:
    assert run(
        BOARD
        + """
        for (const [seq, id] of ["one", "two", "top"].entries()) {
          board.apply({type: "draw", seq: seq + 1, ...item(id), order: seq + 1});
        }
        const drawn = board.takeDamage().length;
        board.apply({type: "removed", seq: 4, ids: ["one", "top"]});
        const left = ids();
        const undone = board.takeDamage().length;
        board.apply({type: "draw", seq: 5, ...item("one"), order: 1});
        board.apply({type: "draw", seq: 6, ...item("top"), order: 3});
        return [drawn, left, undone, ids(), board.takeDamage().length];
        """
    ) == [0, "two", 2, "one,two,top", 2]


def test_a_clear_and_a_new_board_replace_everything(run: Run) -> None:
    assert run(
        BOARD
        + """
        board.apply({type: "draw", seq: 1, ...item("one"), order: 1});
        board.apply({type: "begin", seq: 2, ...item("two")});
        board.apply({type: "clear", seq: 3, artist_id: "b"});
        const cleared = [board.size, board.takeDamage()];
        const items = [item("three", {order: 7}), item("four", {order: 5}), item("five", {growing: true})];
        const isNew = board.replace(items, 9);
        const known = board.replace([item("three", {order: 7})], 10);
        return [cleared, isNew, known, ids(), board.seq, board.apply({type: "clear", seq: 10, artist_id: "b"})];
        """
    ) == [[0, None], 3, 0, "three", 10, False]


OUTBOX = """
    const sent = [], lost = [];
    let up = true;
    const outbox = new m.Outbox(
      (message) => up && sent.push(JSON.parse(JSON.stringify(message))) > 0,
      (stroke, {code}) => lost.push([stroke.id, code]),
    );
    const stroke = (id, points, done = false) => {
      const made = new m.Stroke({id, tool: "pen", color: "#000000", width: 3});
      for (const [x, y] of points) made.moveTo(x, y);
      made.done = done;
      outbox.add(made);
      return made;
    };
    const said = () => sent.splice(0).map(({type, id, at, points, done}) =>
      [type, id, at, points?.length, done].filter((part) => part !== undefined).join(" "));
    const row = (count) => Array.from({length: count}, (_, i) => [(i % 400) * 3, 10 + Math.floor(i / 400) * 5]);
"""


def test_a_stroke_goes_out_as_it_grows(run: Run) -> None:
    assert run(
        OUTBOX
        + """
        const one = stroke("one", row(3));
        outbox.pump(1);
        one.moveTo(50, 50), one.moveTo(60, 60);
        outbox.pump(2), outbox.pump(3);
        one.finish(70, 70);
        outbox.pump(4);
        const all = said();
        const before = outbox.strokes.length;
        outbox.confirmed("one", 6);
        return [all, before, outbox.strokes.length, lost];
        """
    ) == [["begin one 3", "points one 3 2", "points one 5 1", "end one 6"], 1, 0, []]


def test_what_was_drawn_without_a_line_goes_out_when_there_is_one(run: Run) -> None:
    assert run(
        OUTBOX
        + """
        up = false;
        stroke("short", row(2), true), stroke("long", row(2500), true);
        const more = outbox.pump(1), waiting = outbox.waiting;
        up = true;
        outbox.startAgain(), outbox.pump(2);
        return [more, waiting, said(), outbox.waiting];
        """
    ) == [
        False,
        2,
        [
            "begin short 2 true",
            "begin long 1000",
            "points long 1000 1000",
            "points long 2000 500",
            "end long 2500",
        ],
        0,
    ]


def test_after_a_lost_line_all_that_was_not_confirmed_is_said_again_and_nothing_else(run: Run) -> None:
    assert run(
        OUTBOX
        + """
        stroke("one", row(2), true), stroke("two", row(4), true);
        const three = stroke("three", row(2));
        outbox.pump(1), said();
        outbox.confirmed("one", 2);
        three.moveTo(80, 80);
        outbox.startAgain(), outbox.pump(2);
        return said();
        """
    ) == ["begin two 4 true", "begin three 0", "points three 0 3"]


def test_the_outbox_keeps_the_servers_pace_and_the_order(run: Run) -> None:
    first, later = run(
        OUTBOX
        + """
        outbox.limits = {ops_per_s: 10, ops_burst: 20};
        for (let i = 0; i < 50; i += 1) stroke("s" + i, row(2), true);
        const counts = [outbox.pump(1000), sent.length];
        for (let t = 1100; t < 6000; t += 100) outbox.pump(t);
        const ids = sent.map(({id}) => id);
        return [counts, [sent.length, new Set(ids).size, ids.at(-1), outbox.pump(7000)]];
        """
    )
    assert first[0] is True
    assert 1 <= first[1] <= 20
    assert later == [50, 50, "s49", False]


def test_what_was_too_fast_waits_and_is_said_again(run: Run) -> None:
    assert run(
        OUTBOX
        + """
        stroke("one", row(2), true);
        outbox.pump(1000), said();
        outbox.refused({code: "too_fast", id: "one", retry_ms: 400}, 1000);
        outbox.pump(1300);
        const early = said();
        outbox.pump(1401);
        return [early, said(), lost];
        """
    ) == [[], ["begin one 2 true"], []]


@pytest.mark.parametrize("code", ["gone", "used_id", "not_yours", "board_full", "muted", "bad_message"])
def test_what_the_server_does_not_take_is_given_up(run: Run, code: str) -> None:
    assert run(
        OUTBOX
        + """
        stroke("one", row(2), true);
        outbox.pump(1), said();
        outbox.refused({code: argument, id: "one"});
        outbox.startAgain(), outbox.pump(2);
        return [said(), outbox.strokes.length, lost];
        """,
        code,
    ) == [[], 0, [["one", code]]]


def test_a_stroke_that_the_server_ended_too_early_is_not_taken_for_confirmed(run: Run) -> None:
    assert run(OUTBOX + 'stroke("one", row(5), true); outbox.confirmed("one", 3); return lost;') == [
        ["one", "ended"]
    ]


def test_a_stroke_is_taken_back_unsent_or_by_an_undo(run: Run) -> None:
    assert run(
        OUTBOX
        + """
        stroke("unsent", row(2));
        const unsent = [outbox.takeBack("unsent"), outbox.pump(1), said()];
        stroke("begun", row(2));
        outbox.pump(2);
        const begun = said();
        outbox.takeBack("begun"), outbox.pump(3);
        return [unsent, begun, said(), outbox.strokes.length, outbox.takeBack(), outbox.pump(4), said()];
        """
    ) == [[True, False, []], ["begin begun 2"], ["end begun 2", "undo"], 0, False, False, []]


def test_a_stroke_leaves_out_what_no_eye_sees_but_not_its_end(run: Run) -> None:
    assert run(
        """
        const pen = new m.Stroke({id: "p", tool: "pen", color: "#000000", width: 3});
        for (const x of [10.04, 10.5, 11, 13, 13.1, 99999]) pen.moveTo(x, 5);
        pen.finish(99999, 6);
        const rect = new m.Stroke({id: "r", tool: "rect", color: "#000000", width: 3});
        for (const x of [1, 50, 20, 30]) rect.moveTo(x, x);
        return [pen.points, rect.points];
        """
    ) == [[10, 5, 13, 5, 1800, 5, 1800, 6], [1, 1, 30, 30]]


@pytest.mark.parametrize("paper", ["#ffffff", "#171b24", "#000000"])
def test_every_colour_of_the_server_can_be_seen_on_every_paper(run: Run, paper: str) -> None:
    contrasts = run(
        """
        return argument.colors.map((color) => [m.inkOn, m.textInkOn].map((ink) =>
          m.contrast(m.parse(argument.paper), m.parse(ink(argument.paper, color)))));
        """,
        {"paper": paper, "colors": [*PALETTE, "#ffffff", "#000000", "#ffff00"]},
    )
    assert min(lines for lines, _ in contrasts) >= 3
    assert min(text for _, text in contrasts) >= 4.5


def test_the_first_artists_have_different_shapes(run: Run) -> None:
    shapes = run("return argument.map((color) => m.markerName(m.markerOf(color)))", list(PALETTE))
    assert len(set(shapes[:11])) == 11


def test_a_board_that_came_in_half_is_no_place_to_go_on_from(run: Run) -> None:
    """The server was restarted, and the line was lost again before all parts of its board had come."""
    hellos = run(
        """
        const {Line} = await import("/static/drawing/line.js");
        const real = window.WebSocket;
        const sockets = [];
        window.WebSocket = class {
            constructor() { this.sent = []; sockets.push(this); }
            send(data) { this.sent.push(JSON.parse(data)); }
            close() {}
        };
        try {
            const board = new m.Board();
            const line = new Line("ws/draw", board, {name: "ada"});
            const say = (message) => sockets.at(-1).onmessage({data: JSON.stringify(message)});
            const item = {id: "i", artist_id: "a", color: "#000000", tool: "pen", width: 3, points: [[1, 1]], order: 1};
            const again = () => {
                sockets.at(-1).onclose({code: 1006, reason: "", wasClean: false});
                line.live.retryNow();
                sockets.at(-1).onopen();
            };
            line.live.connect();
            sockets.at(-1).onopen();
            say({type: "welcome", token: "t", epoch: "E1", seq: 500, parts: 1});
            say({type: "items", items: [item]});
            again();
            say({type: "welcome", token: "t", epoch: "E2", seq: 40, parts: 2, recovered: false});
            say({type: "items", items: [item]});
            again();
            say({type: "welcome", token: "t", epoch: "E2", seq: 40, parts: 1, recovered: false});
            say({type: "items", items: [item]});
            again();
            line.live.close?.();
            return sockets.map(({sent}) => [sent[0].since ?? null, sent[0].epoch ?? null]);
        } finally {
            window.WebSocket = real;
        }
        """
    )
    assert hellos == [[None, None], [500, "E1"], [500, "E1"], [40, "E2"]]
