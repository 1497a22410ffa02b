# attack: answers with a pickle that runs code where it is loaded
# resisted from: process
import os, pickle


class Bomb:
    def __reduce__(self):
        return os.system, (f"touch {OUT}/pickled",)


async def attack(websocket, text):
    await websocket.send_bytes(pickle.dumps(Bomb()))
