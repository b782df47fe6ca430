"""Templates: a module's mails, each as two files."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shared.mail.mail import Mail

_OURS = Path(__file__).parent / "templates"


class Templates:
    """A folder with `<name>.txt`, whose first line is the subject, and `<name>.html`, which extends `layout.html`. What
    is put into HTML is escaped.
    """

    def __init__(self, folder: Path) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(_OURS)]),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def mail(self, name: str, to: str, /, **values: Any) -> Mail:
        """The mail of this name."""
        subject, _, text = self._rendered(f"{name}.txt", values).partition("\n")
        return Mail(to, subject, text.lstrip("\n"), self._rendered(f"{name}.html", {**values, "subject": subject}))

    def _rendered(self, template: str, values: dict[str, Any]) -> str:
        return self._environment.get_template(template).render(values)
