"""`labkit doctor`: what is installed, what works, and what to do about the rest."""

from labkit.doctor.examination import PROBES, examine
from labkit.doctor.report import Finding, Report, State

__all__ = ["PROBES", "Finding", "Report", "State", "examine"]
