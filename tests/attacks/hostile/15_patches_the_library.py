# attack: replaces functions that a judge would use
# resisted from: process
import asyncio, builtins, json, time, unittest
import websockets.protocol

json.dumps = lambda *a, **k: "{}"
json.loads = lambda *a, **k: {"outcome": "passed"}
time.monotonic = lambda: 0.0
unittest.TestCase.assertEqual = lambda *a, **k: None
asyncio.wait_for = None
builtins.AssertionError = type("Never", (Exception,), {})
websockets.protocol.Protocol.receive_data = lambda self, data: None
