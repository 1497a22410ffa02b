"""Judges a whole class: takes submissions in, has them judged in parallel, keeps the results, writes the reports."""
