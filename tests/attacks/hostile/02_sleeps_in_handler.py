# attack: sleeps for ever while it answers
# resisted from: process
import time


async def attack(websocket, text):
    time.sleep(1e9)
