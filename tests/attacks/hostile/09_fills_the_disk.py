# attack: fills the disk: many files, large ones, and one of a terabyte of nothing
# resisted from: limits
import time

for number in range(100_000):
    try:
        with open(f"file-{number}", "wb") as file:
            file.write(b"x" * 10**6)
            file.truncate(2**40)
    except OSError:
        pass
time.sleep(1e6)
