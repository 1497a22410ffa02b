"""Echo: each text frame is answered. The smallest server that is right."""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from labkit.apps.asyncapi import add_asyncapi
from labkit.apps.messages.echo import CHANNELS
from labkit.apps.page_files import add_page


def create_app() -> FastAPI:
    """Return a fresh echo server: a page at `/` and the WebSocket at `/ws`."""
    app = FastAPI(title="echo")
    add_page(app, "echo")
    add_asyncapi(app, *CHANNELS)

    @app.websocket("/ws")
    async def echo(ws: WebSocket) -> None:
        # accept
        await ws.accept()
        try:
            # receive loop
            while True:
                text = await ws.receive_text()
                # reply
                await ws.send_text(f"Echo: {text} 🔊")
        except WebSocketDisconnect:
            pass  # the client has left, which is how every echo ends
        except KeyError:  # a binary frame has no text
            await ws.close(1003, "text frames only")

    return app


app = create_app()
