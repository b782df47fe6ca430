"""Have others' tools read the document of a real server, and their clients talk to it.

`make clients`, `make clients CLIENTS=--short`, or by name: `make clients CLIENTS='redocly hey_api'`. A tool that a
program is missing for is left out, which is said.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from tests.clients.gates import DOCUMENT, GATES, GENERATED, HERE, Gate
from tests.servers import ROOT, Server, serving, trellis

MINUTES = 10
"""What a command may take. It is for what hangs; the longest is told to end after four."""
SETTINGS = {
    "TRELLIS_ARGON2_MEMORY_KIB": "8",  # Clients register and sign in all the time.
    "TRELLIS_ARGON2_ITERATIONS": "1",
    "TRELLIS_ACCESS_TOKEN_SECONDS": "86400",  # schemathesis signs in once.
}
ADMINISTRATOR = {"email": "administrator@example.com", "full_name": "Administrator", "password": "no example has this"}
"""The only one: so nothing that schemathesis sends can end the account."""


def complaints(output: str, excused: dict[str, str]) -> list[str]:
    """The lines of a tool's output that warn of something and are not excused."""
    lines = [line for line in output.splitlines() if re.search(r"\bwarn", line, re.IGNORECASE)]
    return [line for line in lines if not any(re.search(excuse, line) for excuse in excused)]


def run(command: str, gate: Gate, environment: dict[str, str]) -> str | None:
    """What is wrong with a command: all it says if it fails, or its warnings."""
    python, node = ROOT / ".venv-clients" / "bin", HERE / "node_modules" / ".bin"
    packages = str(GENERATED / gate.name)
    ours = {
        "PATH": os.pathsep.join([str(python), str(node), os.environ["PATH"]]),
        "PYTHONPATH": packages,
        "MYPYPATH": packages,
    }
    done = subprocess.run(
        shlex.split(command),
        cwd=HERE,
        env=os.environ | ours | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )
    if done.returncode:
        return f"{done.stdout}Exit code {done.returncode}."
    return "\n".join(complaints(done.stdout, gate.excused)) or None


def passes(gate: Gate, environment: dict[str, str], short: bool) -> bool:
    """Run a gate's commands up to the first that fails, and say what became of it."""
    if missing := [need for need in gate.needs if not shutil.which(need)]:
        click.echo(f"{gate.name}: left out, there is no {' and no '.join(missing)}.")
        return True
    for template in gate.commands if short else gate.commands + gate.longer:
        command = template.format(document=DOCUMENT.relative_to(HERE), name=gate.name, url=environment["TRELLIS_URL"])
        if wrong := run(command, gate, environment):
            click.echo(f"{gate.name}: FAILED.\n$ {command}\n{wrong}")
            return False
    click.echo(f"{gate.name}: passed.")
    return True


def administrator(server: Server, data: str) -> str:
    """Make the administrator, and give an access token."""
    assert server.post("/api/v1/users", json=ADMINISTRATOR).status_code == 201
    made = trellis("users", "promote", ADMINISTRATOR["email"], TRELLIS_DATA_DIR=data)
    assert made.returncode == 0, made.stderr
    body = {"email": ADMINISTRATOR["email"], "password": ADMINISTRATOR["password"]}
    token: str = server.post("/api/v1/auth/sessions", json=body).json()["access_token"]
    return token


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([gate.name for gate in GATES]))
@click.option("--short", is_flag=True, help="Leave out what takes minutes.")
def main(names: tuple[str, ...], short: bool) -> None:
    """Have others' tools read the document of a real server, and their clients talk to it."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    with tempfile.TemporaryDirectory(prefix="trellis-clients-") as folder, serving(Path(folder), **SETTINGS) as server:
        DOCUMENT.write_bytes(server.get("/openapi.json").content)
        token = administrator(server, f"{folder}/data")
        environment = {"TRELLIS_URL": server.url, "TRELLIS_TOKEN": token}
        gates = [gate for gate in GATES if not names or gate.name in names]
        failed = [gate.name for gate in gates if not passes(gate, environment, short)]
    if failed:
        raise click.ClickException(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
