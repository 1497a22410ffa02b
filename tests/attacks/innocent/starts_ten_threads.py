# innocent: starts ten threads
import threading
import time

for _ in range(10):
    threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
