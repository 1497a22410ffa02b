# attack: never ends being imported
# resisted from: process
while True:
    pass
