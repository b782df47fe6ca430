"""Made-up tags, for `trellis seed`."""

from collections.abc import Iterator

from modules.tags.models import Tag
from modules.tags.schemas import DEFAULT_COLOR
from modules.tags.slugs import slugified
from shared.upkeep import Ids, Seeding, SeedingError, SeedRow, time_of, words

NAMES = words(
    """
    Urgent|Someday|Waiting|To do|Quick win|Blocked|Idea|Research|Design|Build|Review|Release|Maintenance|Garden|
    Kitchen|House|Café|Travel|Music|Books|Photos|Family|Friends|School|Health|Sports|Money|Taxes|Insurance|Legal|
    Sales|Marketing|Support|Hiring|Team|Partners|Customers|Open source|Documentation|Tests|Security|Performance|
    Accessibility|Mobile|Website|Backend|Data|Infrastructure|Experiments|Spring|Summer|Autumn|Winter
    """,
    "|",
)
COLORS = (DEFAULT_COLOR, *words("#d73a4a #0075ca #a2eeef #7057ff #008672 #e4e669 #d876e3 #1d7f3c #f08c00"))


def seed(seeding: Seeding) -> None:
    """Tags, as many for each account; 10 an account unless given."""
    owners, live = seeding.ids("users"), Ids()
    amount = seeding.amount(10 * len(owners))
    if amount and not owners:
        raise SeedingError("Tags need accounts that own them.")
    seeding.copy(Tag, _tags(seeding, amount, owners, live), amount)
    seeding.publish("tags", live)  # Those of the owner at each position of `users`.


def _tags(seeding: Seeding, amount: int, owners: Ids, live: Ids) -> Iterator[SeedRow]:
    random = seeding.random
    for position, owner_id in enumerate(owners):
        first, owned = random.randrange(len(NAMES)), range(amount // len(owners) + (position < amount % len(owners)))
        for number in owned:
            round, at = divmod(number, len(NAMES))
            name = NAMES[(first + at) % len(NAMES)] + (f" {round + 1}" if round else "")
            created_at = seeding.later(time_of(owner_id))
            row = {
                "id": seeding.id_at(created_at),
                "owner_id": owner_id,
                "name": name,
                "slug": slugified(name),
                "color": random.choice(COLORS),
                **seeding.changes(created_at, changed=0.1, deleted=0.03),
            }
            if row["deleted_at"] is None:
                live.add(row["id"], position)
            yield Tag, row
