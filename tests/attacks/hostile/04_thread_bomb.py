# attack: starts threads without end
# resisted from: limits
import threading, time


while True:
    try:
        threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
    except RuntimeError:
        pass
