"""A class with a queue and a writer task for each connection; it is slow and prints a lot, and both are legal."""

import asyncio

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()


class Conversation:
    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.outbox: asyncio.Queue[str] = asyncio.Queue(maxsize=64)

    async def run(self) -> None:
        await self.websocket.accept()
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self.write())
            try:
                async for text in self.websocket.iter_text():
                    print("received", len(text), "characters", "." * 10_000)
                    await self.outbox.put(f"Echo: {text} 🔊")
                await asyncio.wait_for(self.outbox.join(), 1)
            except TimeoutError:
                pass
            finally:
                writer.cancel()

    async def write(self) -> None:
        try:
            while True:
                text = await self.outbox.get()
                await asyncio.sleep(0.002)
                await self.websocket.send_text(text)
                self.outbox.task_done()
        except WebSocketDisconnect:
            while True:
                self.outbox.task_done()
                await self.outbox.get()


@app.get("/")
def page(request: Request):
    prefix = request.scope.get("root_path", "")
    return HTMLResponse(f"""<p>Try ws://localhost:8000/ws from a terminal.</p>
<div contenteditable id=t></div><button>Send</button><ol></ol>
<script>
  const scheme = location.protocol.replace('http', 'ws');   // 'ws:' or 'wss:'
  const socket = new WebSocket(scheme + "//" + location.host + "{prefix}/ws");
  socket.onmessage = (e) => document.querySelector("ol").append(e.data);
  document.querySelector("button").onclick = () => socket.send(document.querySelector("#t").textContent);
</script>""")


@app.websocket("/ws")
async def echo(websocket: WebSocket):
    await Conversation(websocket).run()


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app)
