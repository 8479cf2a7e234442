"""The relay's log: what happened to it, never to whom. No address and no device id is ever logged."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, Final

import structlog

from chappe.relay.config import Settings

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(settings: Settings) -> None:
    """Logs go to standard error, as lines for people or as JSON. Libraries may say warnings."""
    renderer: Any
    if settings.log_json:
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.ERROR,
        format="%(asctime)s [%(levelname)s] %(name)s: %(message)s",
        force=True,
    )


def report_loop_problem(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The loop's exception handler. The context is not printed: it may name the other end."""
    problem = context.get("exception")
    log = structlog.get_logger()
    if problem is None or isinstance(problem, OSError):
        # Connections that end badly are everyday, and nobody's business.
        log.debug("a connection ended badly", kind=type(problem).__name__)
        return
    log.error("a callback failed in a way it should not", exc_info=problem)
