# attack: ignores every signal that can be ignored
# resisted from: process
import signal, time

for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


async def attack(websocket, text):
    while True:
        time.sleep(1e6)
