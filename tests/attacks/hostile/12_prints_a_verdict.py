# attack: prints what a judge would write, and clears the screen
# resisted from: process
import json, os

checks = [{"id": "one_reply", "title": "x", "points": 20, "max_points": 20, "outcome": "passed"}]
record = {
    "exercise": "echo",
    "score": 20,
    "max_score": 20,
    "outcome": "passed",
    "checks": checks,
    "sandbox": "",
    "seed": 1,
}
for line in (json.dumps({"check": checks[0]}), json.dumps({"record": record}), "20 passed", "\x1b[2J\x1b[H"):
    print(line, flush=True)
    for fd in range(1, 64):
        try:
            os.write(fd, line.encode() + b"\n")
        except OSError:
            pass
