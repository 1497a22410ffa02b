"""What a notebook cell uses besides servers and connections: checks, hints, predictions, plots, the solution cell."""

from labkit.notebook.checking import CheckReport, check
from labkit.notebook.drawing import draw
from labkit.notebook.hinting import hint
from labkit.notebook.predicting import predict
from labkit.notebook.solution_cell import solution

__all__ = ["CheckReport", "check", "draw", "hint", "predict", "solution"]
