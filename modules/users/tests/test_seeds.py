"""What `trellis seed` makes of accounts."""

import psycopg

from app.seeding import plant
from modules.users.schemas import UserCreate
from modules.users.seeds import PASSWORD
from shared.manifest import discover
from shared.settings import Settings
from tests.database import clone


def test_every_account_could_have_registered(settings: Settings) -> None:
    with clone() as url:
        plant(settings.model_copy(update={"database_url": url}), discover(), {"users": 500})
        with psycopg.connect(url) as connection:
            made = connection.execute("SELECT email, full_name FROM users").fetchall()
    for email, full_name in made:
        account = UserCreate(email=email, password=PASSWORD, full_name=full_name)
        assert (account.email, account.full_name) == (email, full_name)
    assert len({full_name for _, full_name in made}) > 300
