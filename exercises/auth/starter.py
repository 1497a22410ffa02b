"""Exercise `auth`: a door that opens for good tokens only. The task is in task.md, beside this file.

Copy this file to solution.py, work on the copy, and run `labkit check auth` as often as you like.
"""

import os

from fastapi import FastAPI, WebSocket

SECRET_KEY = os.environ.get("SECRET_KEY", "")

app = FastAPI()


@app.websocket("/ws/secure")
async def secure_echo(websocket: WebSocket) -> None:
    # TODO: take the token from the query, and refuse every one that is not good.
    # TODO: welcome the user, then answer each text T with: Secure echo: T 🛡️
    # TODO: close with 1008 when the token's time is over.
    ...
