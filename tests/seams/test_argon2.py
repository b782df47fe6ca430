"""What shared/auth/passwords.py relies on and argon2-cffi does not promise."""

import sys
import threading
import time

from argon2 import PasswordHasher, Type
from argon2.low_level import hash_secret_raw

from tests.seams.sentences import relied_on

PASSWORDS = "shared/auth/passwords.py"


class TestAHash:
    def test_lets_other_threads_go_on(self):
        """Python's lock is free meanwhile, or each sign-in would hold up every request."""
        with relied_on("argon2-cffi", "what a hash does with Python's lock", PASSWORDS):
            turns, seen = [0], []

            def hash_once():
                seen.append(turns[0])
                PasswordHasher(time_cost=4, memory_cost=19_456, parallelism=1).hash("a")
                seen.append(turns[0])

            interval = sys.getswitchinterval()
            sys.setswitchinterval(3600)  # Nobody is made to give the lock up.
            try:
                thread = threading.Thread(target=hash_once)
                thread.start()
                while thread.is_alive():
                    turns[0] += 1
                    time.sleep(0)
            finally:
                sys.setswitchinterval(interval)
            assert seen[1] - seen[0] > 10

    def test_that_is_thrown_away_takes_no_password_and_a_salt_of_zeros(self):
        with relied_on("argon2-cffi", "what `hash_secret_raw` takes", PASSWORDS):
            spent = hash_secret_raw(b"", bytes(16), 1, 8, parallelism=1, hash_len=32, type=Type.ID)
            assert len(spent) == 32
