# attack: prints without end
# resisted from: process
while True:
    print("x" * 10**6)
