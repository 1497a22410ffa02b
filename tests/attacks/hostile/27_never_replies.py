# attack: accepts and then says nothing, or one byte a second
# resisted from: process
import asyncio


async def attack(websocket, text):
    await asyncio.sleep(1e9)
