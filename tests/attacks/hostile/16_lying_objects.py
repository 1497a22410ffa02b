# attack: answers with texts that claim to equal everything
# resisted from: process
class Liar(str):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


async def attack(websocket, text):
    await websocket.send_text(Liar("yes"))
