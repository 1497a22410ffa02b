"""A drawing board without any wire: who drew what, what is visible, undo and redo, and the files that keep it."""
