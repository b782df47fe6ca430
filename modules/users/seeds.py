"""Made-up accounts, for `trellis seed`."""

import asyncio
import unicodedata
from collections.abc import Iterator

from modules.users.models import Role, User
from shared.auth import Passwords
from shared.settings import Settings
from shared.upkeep import Ids, Seeding, SeedRow, words

PASSWORD = "correct horse battery"  # noqa: S105 (everybody is told it)

FIRST_NAMES = words(
    """
    Ada Aisha Alan Amélie Amina Ana Anders Ann Ben Björn Carla Chen Chloé Clara Daniel Diego Edsger Elena Emeka Emil
    Erin Fatima Felix Finn Freya Grace Hanna Hassan Hugo Ibrahim Ines Ivan Jana João Jonas José Julia Kaito Karin Kofi
    Lara Lea Leo Lin Linus Lucía Maeve Maja Malik Marek Maria Mateo Maya Mehmet Mila Mina Nadia Niels Nina Noah Nuria
    Ola Olga Omar Oskar Paul Pia Priya Radia Rafael Renée Rosa Ruth Samir Sara Sven Søren Tariq Theo Tim Tom Vera Wei
    Yara Yusuf Zoë
    """
)
LAST_NAMES = words(
    """
    Abadi Adeyemi Almeida Andersson Baker Bauer Becker Bianchi Brown Castillo Chen Cohen Costa Díaz Dubois Eriksen
    Evans Ferrari Fischer Fontaine García Gardner Gupta Haddad Hansen Hernández Hoffmann Hopper Horvat Hughes Ito
    Jansen Jensen Johnson Kaya Keller Khan Kim Kowalski Laurent Lee Lindgren López Lovelace Mbeki Mehta Meyer Moreau
    Mori Müller Nakamura Nguyen Nielsen Novák Okafor Oliveira O'Brien Osman Park Patel Perlman Petrov Ramírez Rossi
    Sato Schmidt Silva Singh Smith Suzuki Tanaka Taylor Thompson Torres Turing van-Dijk Varga Wagner Walker Wang Weber
    Williams Wilson Yamamoto Yılmaz Zhang
    """
)


def seed(seeding: Seeding) -> None:
    """Accounts, all with one password; 100 unless given."""
    amount = seeding.amount(100)
    live = Ids()
    seeding.copy(User, _users(seeding, amount, live), amount)
    seeding.publish("users", live)


def _users(seeding: Seeding, amount: int, live: Ids) -> Iterator[SeedRow]:
    random = seeding.random
    password_hash = _hashed(seeding.settings)
    for number, created_at in enumerate(seeding.moments(amount), 1):
        first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
        email = f"{_ascii(first)}.{_ascii(last)}.{number}.{seeding.batch}@example.com"
        is_first = number == 1
        row = {
            "id": seeding.id_at(created_at),
            "email": email,
            "full_name": f"{first} {last}",
            "password_hash": password_hash,
            "role": Role.USER,
            "is_active": is_first or random.random() < 0.97,
            "email_verified": random.random() < 0.8,
            **seeding.changes(created_at, changed=0.4, deleted=0 if is_first else 0.02),
        }
        if row["deleted_at"] is None:  # A deletion takes along what an account owns: whoever is deleted owns nothing.
            live.add(row["id"])
        if is_first:
            seeding.tell(f"Sign in as {email}, or as any other, with the password: {PASSWORD}")
        yield User, row


def _hashed(settings: Settings) -> str:
    passwords = Passwords(settings.argon2_memory_kib, settings.argon2_iterations)
    try:
        return asyncio.run(passwords.hash(PASSWORD))
    finally:
        passwords.close()


def _ascii(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold()).replace("ø", "o").replace("ı", "i")
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())
