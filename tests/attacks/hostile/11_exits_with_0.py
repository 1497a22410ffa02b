# attack: ends its process as if all were well
# resisted from: process
import atexit, os

atexit.register(print, "All 12 checks passed")


async def attack(websocket, text):
    os._exit(0)
