"""`predict()`: a guess, written down before the cell that shows the answer.

Whoever commits to a prediction sees the outcome better, right or wrong: the recorded guess keeps hindsight
from rewriting it.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from labkit.course import workspace_root
from labkit.errors import LabError

OPEN = "?"


@dataclass(frozen=True)
class Prediction:
    """One question with its options and the learner's letter, `?` while there is none."""

    question: str
    answer: str
    options: dict[str, str]
    note: str = ""

    def __repr__(self) -> str:
        lines = [f"{letter}  {text}" for letter, text in self.options.items()]
        return "\n".join([*lines, self._verdict()])

    def _verdict(self) -> str:
        if self.answer == OPEN:
            return f"No prediction yet: put {_either(self.options)} in the place of the ? and run the cell again."
        return f"Your prediction: {self.answer}. {self.note}".rstrip()

    def _repr_html_(self) -> str:
        rows = []
        for letter, text in self.options.items():
            chosen = letter == self.answer
            mark = "◉" if chosen else "○"
            weight = "600" if chosen else "400"
            rows.append(
                f'<div style="font-weight:{weight}"><span aria-hidden="true">{mark}</span> '
                f"<b>{html.escape(letter)}</b>&ensp;{html.escape(text)}</div>"
            )
        return f'<div style="line-height:1.7">{"".join(rows)}<em>{html.escape(self._verdict())}</em></div>'


@dataclass(frozen=True)
class Reveal:
    """What happened, beside what the learner had predicted."""

    predicted: Prediction | None
    observed: str
    why: str

    def __repr__(self) -> str:
        return " ".join(part for part in (self._verdict(), self.why) if part)

    def _verdict(self) -> str:
        if self.predicted is None or self.predicted.answer == OPEN:
            return f"Observed: {self.observed}. (You made no prediction.)"
        if self.predicted.answer == self.observed:
            return f"Observed: {self.observed}, as you predicted."
        return f"Observed: {self.observed}. You predicted {self.predicted.answer}."

    def _repr_html_(self) -> str:
        agrees = self.predicted is not None and self.predicted.answer == self.observed
        mark = "✓" if agrees else "→"
        return (
            '<div style="border-left:4px solid currentColor;padding:.3em .8em;margin:.4em 0">'
            f"<b>{mark} {html.escape(self._verdict())}</b><br>{_marked_up(self.why)}</div>"
        )


class Predictions:
    """The verb `predict`: call it to predict, and `predict.reveal()` to compare.

    Answers are kept in `.labkit/predictions.json` of the workspace, so that they survive the kernel.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Prediction] = {}
        self._revealed: set[str] = set()

    def __call__(self, question: str, answer: str = OPEN, /, **options: str) -> Prediction:
        """Record a prediction and return it for display.

        Args:
            question: its id, such as `"echo.empty"`.
            answer: the letter of an option, or `?` for none yet.
            options: what may happen, by letter: `A="…", B="…"`.

        Raises:
            LabError: fewer than two options, or a letter that is none of them.
        """
        if len(options) < 2:
            raise LabError(
                f"{question!r} has {len(options)} option(s).", expected='at least two: A="…", B="…".'
            )
        letter = answer.strip().upper() or OPEN
        if letter != OPEN and letter not in options:
            raise LabError(
                f"{answer!r} is none of the options.", expected=f"{_either(options)}, or ? for none yet."
            )
        note = (
            "The answer was already shown, so this one does not count." if question in self._revealed else ""
        )
        prediction = Prediction(question, letter, dict(options), note)
        if not note:
            self._asked[question] = prediction
            _write_answer(question, letter)
        return prediction

    def reveal(self, question: str, observed: str, why: str = "") -> Reveal:
        """Return what happened beside what was predicted.

        Args:
            question: the id that the prediction was made under.
            observed: the letter of the option that came true, computed by the cell.
            why: one or two sentences on the reason.
        """
        self._revealed.add(question)
        predicted = self._asked.get(question)
        if predicted is None and (
            letter := _read_answers().get(question)
        ):  # made before the kernel restarted
            predicted = Prediction(question, letter, {})
        return Reveal(predicted, observed, why)


def _marked_up(text: str) -> str:
    """Return a text as HTML, with its `code` and its *emphasis*."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])", r"<em>\1</em>", shown)


def _either(options: dict[str, str]) -> str:
    letters = list(options)
    return f"{', '.join(letters[:-1])} or {letters[-1]}"


def _answers_file() -> Path | None:
    root = workspace_root()
    return root / ".labkit" / "predictions.json" if root is not None else None


def _read_answers() -> dict[str, str]:
    path = _answers_file()
    try:
        answers = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) else {}


def _write_answer(question: str, letter: str) -> None:
    """Keep an answer on disk; a folder that cannot be written only costs the memory of it."""
    path = _answers_file()
    if path is None or letter == OPEN:
        return
    try:
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(_read_answers() | {question: letter}, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")
    except OSError:
        return


predict = Predictions()
