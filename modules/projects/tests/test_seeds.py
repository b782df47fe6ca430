"""What `trellis seed` makes of projects."""

import json

import psycopg
from psycopg.rows import dict_row

from app.seeding import plant
from modules.projects.schemas import ProjectCreate
from shared.manifest import discover
from shared.settings import Settings
from tests.database import clone

FIELDS = "name, external_id, description, status, starts_on, due_on"


def test_every_project_could_have_been_created(settings: Settings) -> None:
    with clone() as url:
        plant(settings.model_copy(update={"database_url": url}), discover(), {"users": 5, "projects": 500})
        with psycopg.connect(url) as connection:
            made = connection.cursor(row_factory=dict_row).execute(f"SELECT {FIELDS} FROM projects").fetchall()
    for row in made:
        assert ProjectCreate.model_validate_json(json.dumps(row, default=str)).model_dump(exclude={"tag_ids"}) == row
    lengths = {len(row["description"] or "") for row in made}
    assert min(lengths) == 0
    assert max(lengths) > 1000
