# attack: sends what no client should have to bear: huge and broken frames, endless ones, after the close
# resisted from: process
import asyncio, gc


async def attack(websocket, text):
    for _ in range(50):
        await websocket.send_text("x" * 2_000_000)
    for thing in gc.get_objects():
        if isinstance(thing, asyncio.Transport):
            thing.write(b"\x81\xff" + b"\xff" * 64)
            thing.write(b"\x8f\x00" * 1000 + b"\x01\x01x" * 100_000 + b"\x89\x00" * 100_000)
    await asyncio.sleep(1e9)
