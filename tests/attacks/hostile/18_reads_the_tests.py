# attack: reads the checks, and the memory and environment of the judge
# resisted from: landlock
import glob, os

seen = []
ppid = os.getppid()
places = [
    f"{PACKAGE}/grader/judging.py",
    f"{CHECKS}",
    f"/proc/{ppid}/environ",
    f"/proc/{ppid}/mem",
    *glob.glob("/proc/self/fd/*"),
    *glob.glob("/../../*/test_*.py"),
    *glob.glob("/../*/labkit/*.py"),
]
for place in places:
    try:
        with open(place, "rb", buffering=0) as file:
            head = os.path.realpath(place)
            if (
                not head.startswith(("/proc", "/dev", "pipe", "socket"))
                and "/python3" not in head
                and SELF not in head
            ):
                seen.append(place)
            elif f"/{ppid}/" in place and file.read(1) and os.getpid() > 10:
                seen.append(place)
    except (OSError, ValueError):
        pass
if seen:
    raise SystemExit(f"{FLAG}: {seen}")
