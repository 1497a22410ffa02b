"""FastAPI with iter_text; the page is split into a module and what it imports."""

from contextlib import suppress

from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

app = FastAPI()


@app.get("/", response_class=HTMLResponse)
async def page():
    return """<!doctype html>
<h1>Echo</h1>
<main></main>
<script type="module" src="static/page.js"></script>"""


@app.get("/static/page.js")
async def page_script():
    code = """
import { open } from "./address.js";
const input = document.createElement("input");
const button = Object.assign(document.createElement('button'), { textContent: "Send" });
document.querySelector("main").append(input, button);
const socket = open();
button.onclick = () => socket.send(input.value);
socket.onmessage = ({ data }) => document.querySelector("main").append(data);
"""
    return Response(code, media_type="text/javascript")


@app.get("/static/address.js")
async def address_script():
    code = """
export function open() {
  const { protocol, host, pathname } = window.location;
  /* never "ws://127.0.0.1:8000/ws" */
  return new WebSocket(`${protocol === "https:" ? "wss:" : "ws:"}//${host}${pathname.replace(/\\/$/, "")}/ws`);
}
"""
    return Response(code, media_type="text/javascript")


@app.websocket("/ws")
async def echo(ws: WebSocket):
    await ws.accept()
    with suppress(WebSocketDisconnect):
        async for text in ws.iter_text():
            await ws.send_text("Echo: " + text + " 🔊")
