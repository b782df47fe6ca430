"""What routers say for the OpenAPI document; shared/http/openapi makes it."""

from typing import Any

NEVER_STORED: dict[int | str, dict[str, Any]] = {200: {"headers": {"Cache-Control": {}}}}
"""The `responses` of an operation whose answer no cache keeps, and says so."""
