"""Payloads: an event as it stands in the queue, and how this version reads what an older one has put there."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.events import Event
from shared.rows import owner_of


class NotUnderstood(Exception):
    """This version cannot do what stands in the queue; the message says why."""


class Payloads:
    """Of one event."""

    def __init__(self, event: type[Event]) -> None:
        """Raises PydanticSchemaGenerationError for a field that has no form in JSON."""
        self.name = f"{owner_of(event)}.{event.__name__}"
        """What the queue calls the event: `projects.ProjectArchived`."""
        self._event = event
        self._adapter: TypeAdapter[Event] = TypeAdapter(event)

    def write(self, event: Event) -> dict[str, Any]:
        """What stands in the queue of it."""
        return {
            "event": self.name,
            "version": self._event.schema_version,
            "payload": self._adapter.dump_python(event, mode="json"),
        }

    def read(self, version: int, payload: Mapping[str, Any]) -> Event:
        """The event that a payload of this version is. Raises NotUnderstood, and what `upgraded` raises."""
        ours = self._event.schema_version
        if version > ours:
            raise NotUnderstood(
                f"{self.name} is of version {version}, and this release knows version {ours}: upgrade the worker."
            )
        fields = self._event.upgraded(version, {**payload}) if version < ours else payload
        try:
            return self._adapter.validate_json(json.dumps(fields))
        except ValidationError as error:
            wrong = ", ".join(f"{'.'.join(map(str, found['loc']))} ({found['msg']})" for found in error.errors())
            raise NotUnderstood(
                f"{self.name} of version {version} does not fit version {ours}: {wrong}. Have its `upgraded` read it."
            ) from None
