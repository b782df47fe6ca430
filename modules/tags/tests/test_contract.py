"""What the wire contract promises of tags."""

from modules.tags.repository import TagRepository
from modules.tags.tests.factories import TagFactory
from tests.conformance import ResourceContract


class TestTags(ResourceContract):
    resource = TagRepository
    factory = TagFactory
