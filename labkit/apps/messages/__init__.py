"""What the apps say and hear, as pydantic models: one module an app, one union a direction.

From these come the checks of what clients send, and the document at ``/asyncapi.json``.
"""
