"""The variables that files of a deployment set, and those that there are."""

from collections.abc import Iterable

from shared.settings import Settings, variables_of

OTHERS = {"FORWARDED_ALLOW_IPS"}
"""That uvicorn reads."""
TO_COME = {"TRELLIS_DRAIN_SECONDS", "TRELLIS_REQUEST_SECONDS", "TRELLIS_METRICS_PORT", "TRELLIS_METRICS_HOST"}
"""That come with other branches of this issue."""


def unknown(variables: Iterable[str]) -> set[str]:
    return {*variables} - variables_of(Settings).keys() - OTHERS - TO_COME
