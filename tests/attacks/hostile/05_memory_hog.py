# attack: takes all memory
# resisted from: limits
hoard = []
while True:
    try:
        hoard.append(bytearray(50 * 2**20))
    except MemoryError:
        pass
