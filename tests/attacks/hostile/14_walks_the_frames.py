# attack: looks through frames and memory for what is expected
# resisted from: process
import gc, sys


async def attack(websocket, text):
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if isinstance(value, str) and "🔊" in value:
                await websocket.send_text(value)
        frame = frame.f_back
    for thing in gc.get_objects():
        if type(thing) in (list, tuple):
            for value in list(thing):
                if isinstance(value, str) and value.startswith("Echo: ") and value.endswith("🔊"):
                    await websocket.send_text(value)
