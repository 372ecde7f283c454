"""The service's log: a JSON object a line, without bodies and without tokens."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

LOGGER = logging.getLogger("sweep.service")
_TOKEN = re.compile(r"(swp_[0-9a-f]{0,12})_[A-Za-z0-9_-]+")


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; whatever looks like a token is cut."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **getattr(record, "about", {}),
        }
        if message := record.getMessage():
            told["message"] = message
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return without_tokens(json.dumps(told, ensure_ascii=False, default=str))


def without_tokens(text: str) -> str:
    """Return a text without the secrets of the tokens in it."""
    return _TOKEN.sub(r"\1_…", text)


def log(message: str = "", level: int = logging.INFO, **about: Any) -> None:
    """Write a line: what happened, and the keys that tell of which request or study."""
    LOGGER.log(level, message, extra={"about": about})


def set_up_logs() -> None:
    """Send the service's lines, and those of its server, to stderr as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    for name in (LOGGER.name, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
    LOGGER.setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
