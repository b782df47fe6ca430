"""Made-up projects with their members and tags, for `trellis seed`."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

from modules.projects.models import Project, ProjectMember, ProjectTag, Role, Status
from shared.upkeep import Ids, Seeding, SeedingError, SeedRow, time_of, words

VERBS = words(
    """
    Build Clean Close Describe Draft Extend Fix Improve Launch Measure Merge Migrate Move Open Organise Paint Plan
    Prepare Publish Rebuild Rename Renew Repair Replace Restore Review Rewrite Simplify Sketch Split Teach Test
    Translate Trim Upgrade
    """
)
KINDS = words(
    """
    annual blue central common digital early eastern final first forgotten friendly global green hidden internal large
    late little local lost main modern monthly narrow new northern old open second secret shared small southern spare
    wooden
    """
)
THINGS = words(
    """
    archive bakery balcony balloon bicycle boat bookshelf brochure budget calendar campaign catalogue chapel cookbook
    dashboard database exhibition fence festival garden gate greenhouse guide handbook invoice kitchen lamp library
    map market menu museum newsletter observatory office orchard playground pond poster prototype ramp recipe report
    roof schedule school shed shop stage station survey terrace theatre tower trellis village warehouse website
    workshop
    """
)

STATUSES = (*[Status.ACTIVE] * 11, *[Status.PAUSED] * 2, *[Status.COMPLETED] * 5, *[Status.ARCHIVED] * 2)
ROLES = (*[Role.VIEWER] * 12, *[Role.EDITOR] * 7, Role.OWNER)
TAG_COUNTS = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 5)
MEMBER_COUNTS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 4)
SENTENCE_COUNTS = (0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 4, 7, 30)


def seed(seeding: Seeding) -> None:
    """Projects, with members and the owners' tags; 1000 unless given. A few accounts own very many."""
    amount = seeding.amount(1000)
    if amount and not seeding.ids("users"):
        raise SeedingError("Projects need accounts that own them.")
    seeding.copy(Project, _projects(seeding, amount), amount)


def _projects(seeding: Seeding, amount: int) -> Iterator[SeedRow]:
    users, tags = seeding.ids("users"), seeding.ids("tags")
    random, one_of = seeding.random.random, seeding.random.choice
    sentences = [_sentence(seeding.random) for _ in range(1000)]
    here = 1  # So many accounts were there by then: they come in order of time, and so do projects.
    for number, created_at in enumerate(seeding.moments(amount), 1):
        id = seeding.id_at(created_at)
        while here < len(users) and users[here] < id:
            here += 1
        owner = int(here * random() ** 3)  # Of 1,000 accounts the first owns a tenth, the first hundred own half.
        first = int(random() * (len(sentences) - 30))
        starts_on, due_on = _dates(seeding.random, created_at)
        yield (
            Project,
            {
                "id": id,
                "owner_id": users[owner],
                "owner_since": created_at,
                "external_id": f"{seeding.batch}-{number}" if random() < 0.2 else None,
                "name": f"{one_of(VERBS)} the {one_of(KINDS)} {one_of(THINGS)}",
                "description": " ".join(sentences[first : first + one_of(SENTENCE_COUNTS)]) or None,
                "status": one_of(STATUSES),
                "starts_on": starts_on,
                "due_on": due_on,
                **seeding.changes(created_at, changed=0.5, deleted=0.02),
            },
        )
        yield from _links(seeding, id, tags, owner)
        yield from _members(seeding, id, users, owner, here)


def _links(seeding: Seeding, id: UUID, tags: Ids, owner: int) -> Iterator[SeedRow]:
    """Tags of the owner's that stand together, from any of them on."""
    own = tags.of(owner)
    first = int(seeding.random.random() * len(own))
    for number in range(min(seeding.random.choice(TAG_COUNTS), len(own))):
        yield ProjectTag, {"project_id": id, "tag_id": tags[own[(first + number) % len(own)]]}


def _members(seeding: Seeding, id: UUID, users: Ids, owner: int, here: int) -> Iterator[SeedRow]:
    """Neighbours in the order of accounts, from any on, and never round to the owner again."""
    distance = 1 + int(seeding.random.random() * (here - 1))
    for number in range(distance, min(distance + seeding.random.choice(MEMBER_COUNTS), here)):
        yield (
            ProjectMember,
            {
                "project_id": id,
                "user_id": users[(owner + number) % here],
                "role": seeding.random.choice(ROLES),
                "created_at": seeding.later(time_of(id)),
            },
        )


def _dates(random: Random, created_at: datetime) -> tuple[date | None, date | None]:
    """From a start to a due date, of which either may be open."""
    starts_on = created_at.date() + timedelta(days=int(random.random() * 60))
    due_on = starts_on + timedelta(days=int(random.random() * 200))
    return starts_on if random.random() < 0.6 else None, due_on if random.random() < 0.5 else None


def _sentence(random: Random) -> str:
    """About the length of this one, more or less, and never quite the same."""
    parts = [f"the {random.choice(KINDS)} {random.choice(THINGS)}" for _ in range(random.randint(1, 5))]
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{random.choice(VERBS)} {listed}."
