"""Keeps a hub's audiences subscribed at its broker."""

from __future__ import annotations

import asyncio

from labkit.hub.audience import Audience
from labkit.hub.broker import Broker
from labkit.hub.writer import Spawn


class Subscriptions:
    """Subscribes an audience once, however many wait for it, and never leaves one behind."""

    def __init__(self, broker: Broker, spawn: Spawn) -> None:
        self._broker = broker
        self._spawn = spawn

    async def ready(self, audience: Audience) -> None:
        """Return when the broker delivers the audience's topic."""
        if audience.subscribed:
            return
        if audience.subscription is None:
            audience.subscription = self._spawn(self._broker.subscribe(audience.topic, audience.deliver))
        # The first one to wait may be cancelled; the others still need it.
        await asyncio.shield(audience.subscription)
        # The task itself is not kept: of a thousand connections each has one.
        audience.subscribed = True
        audience.subscription = None

    def end(self, audience: Audience) -> None:
        """End a subscription, also one that has not come about yet."""
        if audience.subscribed:
            self._unsubscribe(audience)
        elif audience.subscription is not None:
            audience.subscription.add_done_callback(lambda _: self._unsubscribe(audience))

    def _unsubscribe(self, audience: Audience) -> None:
        self._broker.unsubscribe(audience.topic, audience.deliver)
