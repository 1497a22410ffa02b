# attack: leaves a daemon behind that writes later
# resisted from: limits
import os, signal, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(4)
        open(f"{OUT}/late", "w").close()
        time.sleep(1e6)
    os._exit(0)
