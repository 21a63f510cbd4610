"""While the service runs it writes down, outside the database, how far the audit log reached."""

from __future__ import annotations

import asyncio
import logging

from service.edge.parts import Parts

EVERY_SECONDS = 60.0
"""As often as hospitals will be handed checkpoints (research: identity_audit 5)."""


async def keep(parts: Parts) -> None:
    """Moves the checkpoint on until cancelled. That it cannot is logged: `testonce audit verify` says why."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            if not await parts.run(parts.mark_audit_log):
                logging.getLogger("testonce").error(
                    "the audit log does not fit its checkpoint; run: testonce audit verify"
                )
        except Exception as error:
            logging.getLogger("testonce").error("no audit checkpoint was written: %s", type(error).__name__)
