# attack: crashes the interpreter
# resisted from: process
import ctypes


async def attack(websocket, text):
    ctypes.string_at(0)
