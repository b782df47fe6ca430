"""Rows of the users module."""

from argon2 import PasswordHasher
from factory import Faker, Sequence

from modules.users.models import User
from tests.factories import RowFactory

PASSWORD = "correct horse battery"
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


class UserFactory(RowFactory[User]):
    """Accounts whose password is PASSWORD."""

    class Meta:
        model = User

    email = Sequence(lambda n: f"user{n}@example.com")
    full_name = Faker("name")
    password_hash = _HASH
