"""Runs the harnesses of this package, one after the other: `python -m tests.reliability --help`."""

import importlib
import pkgutil
import subprocess
import sys

import click

import tests.reliability as package

NAMES = sorted(
    one.name
    for one in pkgutil.iter_modules(package.__path__)
    if one.name != "__main__" and hasattr(importlib.import_module(f"{package.__name__}.{one.name}"), "SHORT")
)


@click.command()
@click.option("--short", is_flag=True, help="Small numbers, and no verdict about figures.")
@click.option("--only", "chosen", multiple=True, type=click.Choice(NAMES), help="Only these; repeatable.")
def main(short: bool, chosen: tuple[str, ...]) -> None:
    """Run every harness, and tell which found a fault."""
    failed = []
    for name in chosen or NAMES:
        click.secho(f"\n{name}", bold=True)
        module = f"{package.__name__}.{name}"
        arguments = importlib.import_module(module).SHORT if short else ("--judge",)
        if subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode:
            failed.append(name)
    sys.exit(f"\nFaults: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
