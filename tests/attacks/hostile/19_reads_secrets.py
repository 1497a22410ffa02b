# attack: reads keys, other students' files and the grader's environment
# resisted from: landlock
import os

seen = [f"{name}={value}" for name, value in os.environ.items() if "LABKIT_SECRET" in name]
for place in (SECRET, NEIGHBOUR, "/root/.ssh/id_rsa", "/etc/shadow", os.path.expanduser("~/.netrc")):
    try:
        seen.append(open(place).read()[:40])
    except OSError:
        pass
if seen:
    raise SystemExit(f"{FLAG}: {seen}")
