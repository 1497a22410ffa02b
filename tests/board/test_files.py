"""A board in files: what is read back, what a crash leaves, and names that no folder minds."""

from __future__ import annotations

import errno
import json
import logging
import os
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.board import board_file, shelf
from labkit.board.board import Board
from labkit.board.board_file import SNAPSHOT, BoardFile
from labkit.board.export import as_json, as_svg
from labkit.board.filenames import file_name
from labkit.board.folder_lock import FolderLock
from labkit.board.keeping import dump
from labkit.board.refusal import BoardRefused
from labkit.board.shelf import FolderShelf, MemoryShelf


def draw(board: Board, item_id: str, **fields) -> str:
    stroke = {"color": "#123456", "tool": "pen", "width": 3, "points": [[1, 2], [3, 4]]} | fields
    return board.draw("ada", item_id=item_id, **stroke).record


@pytest.fixture
def kept(tmp_path):
    """Return a folder in which two strokes are kept, one in the snapshot and one in the journal."""
    file = BoardFile(tmp_path)
    board = file.open()
    file.append([board.begin_epoch("first").record, draw(board, "a1")])
    file.replace(dump(board))
    file.append([draw(board, "a2"), draw(board, "a3")])
    file.close()
    return tmp_path


def read(folder) -> list[str]:
    file = BoardFile(folder)
    board = file.open()
    file.close()
    return [item.id for item in board.finished()]


def test_what_was_written_is_there_again(kept):
    assert read(kept) == ["a1", "a2", "a3"]
    assert sorted(path.name for path in kept.iterdir()) == [SNAPSHOT, "journal-1.jsonl"]


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda data: data[:-1], ["a1", "a2"]),
        (lambda data: data[:-40], ["a1", "a2"]),
        (lambda data: data + b'["undo","a', ["a1", "a2", "a3"]),
        (lambda data: data + b"\0" * 512, ["a1", "a2", "a3"]),
        (lambda data: data + b"\xff\xfe\n", ["a1", "a2", "a3"]),
        (lambda data: data + b'["replay","x"]\n', ["a1", "a2", "a3"]),
        (lambda data: data[:3] + b"?" + data[4:], ["a1"]),
        (lambda data: b"", ["a1"]),
    ],
    ids=[
        "no last line break",
        "half a record",
        "begun",
        "zeros",
        "no UTF-8",
        "no record",
        "in the middle",
        "empty",
    ],
)
def test_a_damaged_end_is_cut_off_put_aside_and_told(kept, caplog, damage, left):
    path = kept / "journal-1.jsonl"
    data = damage(path.read_bytes())
    path.write_bytes(data)
    assert read(kept) == left
    if left != ["a1"] or data:
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "are no whole record, as a crash leaves them" in record.getMessage()
        cut = (kept / "journal-1.damaged").read_bytes()
        assert path.read_bytes() + cut == data
    caplog.clear()
    assert read(kept) == left  # and now it is whole
    assert not caplog.records


@pytest.mark.parametrize(
    "data", [b"", b"{}\n", b"\xff", b'{"labkit_board":1,"generation":1}\n{"epoch":"x"}\n']
)
def test_a_snapshot_that_cannot_be_read_is_put_aside_and_the_board_begins_empty(kept, caplog, data):
    (kept / SNAPSHOT).write_bytes(data)
    assert read(kept) == []
    assert "can't be read, so the board begins empty" in caplog.text
    assert (kept / "board.damaged").read_bytes() == data
    caplog.clear()
    assert read(kept) == []
    assert not caplog.records


def test_a_crash_between_a_new_snapshot_and_its_journal_loses_nothing(kept):
    file = BoardFile(kept)
    board = file.open()
    before = (kept / "journal-1.jsonl").read_bytes()
    file.replace(dump(board))
    file.close()
    (kept / "journal-1.jsonl").write_bytes(before)  # not deleted yet
    (kept / "journal-2.jsonl").unlink()
    assert read(kept) == ["a1", "a2", "a3"]


def test_a_crash_while_a_snapshot_is_written_leaves_the_one_before(kept, monkeypatch):
    file = BoardFile(kept)
    board = file.open()

    def full(file, data):
        file.write(data[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(board_file, "_write_all", full)
    with pytest.raises(OSError, match="No space left"):
        file.replace(dump(board))
    file.close()
    assert read(kept) == ["a1", "a2", "a3"]


def test_a_partly_written_end_is_mended_by_the_next_snapshot(kept):
    file = BoardFile(kept)
    board = file.open()
    with (kept / "journal-1.jsonl").open("ab") as journal:
        journal.write(b'["draw","half')
    draw(board, "a4")
    file.replace(dump(board))
    file.close()
    assert read(kept) == ["a1", "a2", "a3", "a4"]


# ---- names ------------------------------------------------------------------------------------------

RESERVED = ["con", "nul", "com1", "aux.json", "prn", "lpt1"]
NAMES = st.text(max_size=100) | st.sampled_from(
    ["../x", "..", ".", "", "/", "\\", "c:", "a" * 10_000, *RESERVED]
)


@given(NAMES, NAMES)
def test_whatever_the_name_the_file_is_in_its_folder_and_nobody_elses(tmp_path_factory, one, other):
    first, second = file_name("drawing", one), file_name("drawing", other)
    assert set(first) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_%")
    assert len(first) < 200
    assert (first == second) is (one == other)


def test_capitals_do_not_meet_and_a_hash_is_nobodys_name():
    assert file_name("drawing", "Con") == "drawing-%43on"
    long = file_name("drawing", "ä" * 100)
    assert long != file_name("drawing", long.removeprefix("drawing-"))


@pytest.mark.parametrize("name", ["../x", "..", "con", "a/b", "A", "a", "ä" * 100, "\0", " "])
def test_a_shelf_keeps_every_name_in_its_folder(tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    one = FolderShelf(outside / "in")
    one.save(name, "text")
    one.save(name, "newer")
    assert one.load(name) == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert [path.name for path in outside.iterdir()] == ["in"]
    assert len(list((outside / "in").iterdir())) == 1
    assert FolderShelf(outside / "in").load(name) == "newer"


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_shelf_takes_so_many_drawings(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(shelf, "DRAWINGS_MAX", 3)
    monkeypatch.setattr(shelf, "MEMORY_DRAWINGS_MAX", 3)
    one = FolderShelf(tmp_path) if kind == "folder" else MemoryShelf()
    for number in range(3):
        one.save(str(number), "x")
    with pytest.raises(BoardRefused, match="There are 3 drawings already"):
        one.save("more", "x")
    one.save("1", "newer")
    assert (one.load("1"), one.load("more")) == ("newer", None)


def test_a_folder_that_takes_nothing_is_told(tmp_path):
    path = tmp_path / "file"
    path.write_text("in the way")
    with pytest.raises(BoardRefused, match="could not be saved") as caught:
        FolderShelf(path / "folder").save("x", "y")
    assert caught.value.code == "not_saved"


def test_one_server_at_a_time_has_a_folder(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()


# ---- export -----------------------------------------------------------------------------------------

EVIL = '"><script>alert(1)</script>&amp;\0\ud800'


def test_an_svg_shows_every_tool_and_no_markup_of_others():
    board = Board("x")
    for tool in ("pen", "eraser", "line", "rect", "ellipse"):
        draw(board, f"{EVIL}{tool}", tool=tool, points=[[10, 20], [4, 2]])
    draw(board, "dot", points=[[7, 7]])
    root = ElementTree.fromstring(as_svg(EVIL.replace("\ud800", ""), board.finished()))
    shapes = [element.tag.rpartition("}")[2] for element in root[2]]
    assert shapes == ["path", "path", "line", "rect", "ellipse", "path"]
    assert root[2][3].attrib == {
        "x": "4",
        "y": "2",
        "width": "6",
        "height": "18",
        "stroke": "#123456",
        "stroke-width": "3",
    }
    assert root[2][1].get("stroke") == "#ffffff"
    assert root[2][5].get("d") == "M7,7 L7,7"
    assert "<script" not in as_svg(EVIL, board.finished())


def test_an_svg_has_the_pen_s_curves_and_shapes_without_a_width():
    board = Board("x")
    draw(board, "curve", points=[[0, 0], [10, 0], [10, 10], [0, 10]])
    for tool in ("rect", "ellipse"):
        draw(board, tool, tool=tool, points=[[5, 1], [5, 9]])
        draw(board, f"{tool} clicked", tool=tool, points=[[5, 1]])
    curve, *flat = ElementTree.fromstring(as_svg("x", board.finished()))[2]
    assert curve.get("d") == "M0,0 Q10,0 10,5 Q10,10 5,10 L0,10"
    assert [element.tag.rpartition("}")[2] for element in flat] == ["line"] * 4
    assert [element.get("y2") for element in flat] == ["9", "1", "9", "1"]


def test_json_has_all_items_in_order():
    board = Board("x")
    for name in ("a1", EVIL, "a2"):
        draw(board, name)
    board.undo("ada")
    exported = json.loads(as_json(EVIL, board.finished()))
    assert exported["board"] == EVIL
    assert [item["id"] for item in exported["items"]] == ["a1", EVIL]


def test_a_large_number_of_bytes_is_written_whole(tmp_path):
    file = BoardFile(tmp_path)
    board = file.open()
    file.append([draw(board, str(n), points=[[n, n]] * 4_000) for n in range(30)])
    size = os.path.getsize(tmp_path / "journal-0.jsonl")
    assert size == file.size > 500_000
    file.close()
    assert len(read(tmp_path)) == 30
