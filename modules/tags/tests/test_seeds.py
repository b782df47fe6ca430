"""What `trellis seed` makes of tags."""

import psycopg

from app.seeding import plant
from modules.tags.schemas import TagCreate
from modules.tags.slugs import slugified
from shared.manifest import discover
from shared.settings import Settings
from tests.database import clone


def test_every_tag_could_have_been_created(settings: Settings) -> None:
    with clone() as url:
        plant(settings.model_copy(update={"database_url": url}), discover(), {"users": 5, "tags": 400})
        with psycopg.connect(url) as connection:
            made = connection.execute("SELECT name, slug, color FROM tags").fetchall()
    for name, slug, color in made:
        tag = TagCreate(name=name, slug=slug, color=color)
        assert (tag.name, tag.slug, tag.color) == (name, slugified(name), color)
