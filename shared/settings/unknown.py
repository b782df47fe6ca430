"""Variables that look like settings, and are none."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping

from shared.settings.files import files_of
from shared.settings.settings import Settings
from shared.settings.variables import variables_of


def strangers(environment: Mapping[str, str], of_modules: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each variable that begins with TRELLIS_ and is no setting, of the kernel or `of_modules`; without
    its value.
    """
    known = [*variables_of(Settings), *files_of(Settings), *of_modules]
    for variable in sorted(environment):
        name = variable.upper()
        if not name.startswith("TRELLIS_") or name in known or _is_kubernetes(name, environment[variable]):
            continue
        bare = name.removeprefix("TRELLIS_")
        meant = [bare] if bare in known else difflib.get_close_matches(name, known, 1, 0.8)
        yield f"{variable} is no setting of this version." + (f" Is {meant[0]} meant?" if meant else "")


def _is_kubernetes(name: str, value: str) -> bool:
    """Whether Kubernetes set the variable, as it does in every container beside a service called `trellis`."""
    return bool(re.fullmatch(r"TRELLIS_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)", name)) or (
        name == "TRELLIS_PORT" and "://" in value
    )
