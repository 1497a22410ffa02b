"""Where the course is: its notebooks and exercises in the package, and a learner's own copy of them."""

from labkit.course.locate import course_root, is_course, workspace_root

__all__ = ["course_root", "is_course", "workspace_root"]
