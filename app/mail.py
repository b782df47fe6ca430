"""`trellis mail`: the mails that are kept in a folder, as they are over the embedded database."""

from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import NamedTuple

import click

from app.operating.output import AS_JSON, as_json
from shared.settings import Settings

KEPT = f"{'[0-9]' * 20}-*.eml"
"""The names of our mails: their nanosecond, and a word. Others may keep mail in the same folder."""


class KeptMail(NamedTuple):
    """A mail in the folder."""

    name: str
    at: datetime
    to: str
    subject: str
    text: str


def mail_command() -> click.Group:
    """The commands."""
    return click.Group("mail", {"list": list_mails, "show": show}, help="Read the mails that are kept in a folder.")


@click.command(epilog="Example: trellis mail list --limit 10")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At the most so many.")
@AS_JSON
def list_mails(limit: int, is_json: bool) -> None:
    """List mails, the newest first."""
    found = [_read(file) for file, _ in zip(_files(), range(limit), strict=False)]
    if is_json:
        click.echo(
            as_json([{name: value for name, value in mail._asdict().items() if name != "text"} for mail in found])
        )
    else:
        for mail in found:
            click.echo(f"{mail.name}  {mail.at:%Y-%m-%d %H:%M:%S}  {mail.to}  {mail.subject}")


@click.command(epilog="Example: trellis mail show")
@click.argument("name", required=False)
@AS_JSON
def show(name: str | None, is_json: bool) -> None:
    """Show a mail; the newest one unless another is named."""
    file = next((file for file in _files() if name in {None, file.stem}), None)
    if file is None:
        raise click.ClickException("There is no such mail." if name else "There is no mail.")
    mail = _read(file)
    click.echo(
        as_json(mail._asdict()) if is_json else f"To: {mail.to}\nSubject: {mail.subject}\n\n{mail.text}".rstrip()
    )


def _files() -> Iterator[Path]:
    """The newest first."""
    folder = Settings.load().mail_folder
    if folder is None:
        raise click.ClickException("No mail is kept in a folder: it is sent, or none is. See TRELLIS_MAIL_URL.")
    yield from sorted(folder.glob(KEPT), reverse=True)


def _read(file: Path) -> KeptMail:
    message = message_from_bytes(file.read_bytes(), policy=SMTP)
    body = message.get_body(("plain",))
    text = "" if body is None else body.get_content().replace("\r\n", "\n")
    return KeptMail(file.stem, message["Date"].datetime, str(message["To"]), str(message["Subject"]), text)
