# attack: writes to stderr without end, and never ends a line
# resisted from: process
import os

while True:
    os.write(2, b"y" * 10**5)
