"""What keeps other requests waiting, or lasts longer than one."""

from tests.architecture.violations.violation import TAGS, Violation

LASTING = {
    "a service sleeps": Violation(
        f"{TAGS}service.py",
        """
        import time
        async def wait():
            time.sleep(1)  # here
        """,
        "time.sleep is used: every other request waits meanwhile: await something in its place",
    ),
    "a function that a service calls reads a file": Violation(
        f"{TAGS}planted.py",
        """
        def words(path):
            return path.read_text()  # here
        """,
        ".read_text() reads or writes a file",
    ),
    "a service starts a program": Violation(
        f"{TAGS}service.py",
        """
        from subprocess import run
        async def convert():
            run(["true"])  # here
        """,
        "subprocess.run is used: every other request waits meanwhile",
    ),
    "a service runs a loop in the loop": Violation(
        f"{TAGS}service.py",
        """
        import asyncio
        def wait(coroutine):
            asyncio.run(coroutine)  # here
        """,
        "asyncio.run is used",
    ),
    "a service hashes a password itself": Violation(
        f"{TAGS}service.py",
        """
        import hashlib
        def hashed(password):
            return hashlib.scrypt(password, salt=b"", n=2, r=1, p=1)  # here
        """,
        "hashlib.scrypt is used: it blocks every other request: `kernel.passwords` hashes in threads of its own.",
    ),
    "a service asks another machine": Violation(
        f"{TAGS}service.py",
        """
        import httpx2
        async def ask(url):
            async with httpx2.AsyncClient() as client:  # here
                return client
        """,
        "no request waits for another machine: publish an event, and do this in a job",
    ),
    "a module reads the environment": Violation(
        f"{TAGS}service.py",
        """
        from os import environ
        COLOR = environ["COLOR"]  # here
        """,
        "os.environ is used: take the value as an argument of the constructor: the container passes settings.",
    ),
    "a module remembers in a dictionary": Violation(
        f"{TAGS}service.py",
        "_seen: dict[str, int] = {}  # here",
        "_seen changes while the application runs: keep it in a table",
    ),
    "a module changes its list": Violation(
        f"{TAGS}service.py",
        """
        NAMES = ["a"]  # here
        def remember(name):
            NAMES.append(name)
        """,
        "NAMES changes while the application runs",
    ),
    "a module has a global variable": Violation(
        f"{TAGS}service.py",
        """
        count = 0
        def more():
            global count  # here
            count += 1
        """,
        "count changes while the application runs",
    ),
    "a module has a hidden context": Violation(
        f"{TAGS}service.py",
        """
        from contextvars import ContextVar
        TENANT = ContextVar("TENANT")  # here
        """,
        "no hidden context decides what a statement means: pass it as an argument.",
    ),
}
