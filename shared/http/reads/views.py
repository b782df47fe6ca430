"""`fields` and `include`: which members of a document a request asks for."""

from shared.errors import InvalidInput
from shared.http.reads.parameters import Given, Parameter, several_in, several_of
from shared.reads import Document, View


def view_in(given: Given, document: type[Document]) -> View:
    """The view that they ask for; takes them out of the parameters. Raises InvalidInput."""
    fields = _names_in(given, "fields", document.selectable())
    return View(fields, _names_in(given, "include", document.includable()) or frozenset())


def view_parameters(document: type[Document]) -> list[Parameter]:
    """The parameters that `view_in` reads."""
    found = [Parameter("fields", several_of(document.selectable()), "Return only these members.", by_comma=True)]
    if includable := document.includable():
        found.append(Parameter("include", several_of(includable), "Embed these as well.", by_comma=True))
    return found


def _names_in(given: Given, parameter: str, allowed: list[str]) -> frozenset[str] | None:
    if parameter not in given:
        return None
    names = frozenset(several_in(given, parameter))
    if not names <= set(allowed):
        raise InvalidInput(f"These can be named: {', '.join(allowed) or 'none'}.", parameter=parameter)
    return names
