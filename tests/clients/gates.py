"""What holds the OpenAPI document to its word: linters, client generators and a fuzzer, each with its commands."""

from dataclasses import dataclass, field
from enum import StrEnum

from tests.servers import ROOT

HERE = ROOT / "tests" / "clients"
"""Where the commands run."""
GENERATED = HERE / "generated"
"""What they make; ignored by git."""
DOCUMENT = GENERATED / "openapi.json"


class Need(StrEnum):
    """A program that a machine may lack."""

    NPM = "npm"
    JAVA = "java"


@dataclass(frozen=True)
class Gate:
    """A tool, and the commands in which it may neither fail nor warn. `{url}` in them is the server's address."""

    name: str
    commands: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    longer: tuple[str, ...] = ()
    """Commands that take minutes."""
    excused: dict[str, str] = field(default_factory=dict)
    """Regular expressions of lines that may warn, each with the reason."""


NOTHING: dict[str, str] = {}
JAVA_SAYS = {
    "OpenAPI 3.1 support is still in beta": "It says so of itself, whatever the document.",
    "Failed to get the schema name: null": "It looks for names of schemas that need none, such as those of maps.",
}
SCHEMATHESIS = "schemathesis --config-file fuzzing/schemathesis.toml run {document} --url {url} --phases"
OPENAPI_GENERATOR = "openapi-generator-cli generate --input-spec {document} --output generated/{name} --generator-name"


def _typescript(name: str, generate: str, *needs: Need, excused: dict[str, str] = NOTHING) -> Gate:
    """A client in TypeScript: generated, compiled with its session, and run."""
    run = f"node generated/javascript/{name}/session.js {{url}}"
    return Gate(name, (generate, f"tsc --project {name}", run), (Need.NPM, *needs), excused=excused)


def _python(name: str, generate: str, *needs: Need, excused: dict[str, str] = NOTHING) -> Gate:
    """A client in Python: generated, checked with its session, and run."""
    check = f"mypy --config-file {name}/mypy.ini {name}/session.py generated/{name}/trellis_client"
    return Gate(name, (generate, check, f"python {name}/session.py {{url}}"), needs, excused=excused)


GATES = (
    Gate("openapi_spec_validator", ("openapi-spec-validator {document}",)),
    Gate(
        "redocly",
        ("redocly lint {document} --config linters/redocly.yaml",),
        (Need.NPM,),
        excused={"Deprecation warning: Node.js": "It is about the machine, not about the document."},
    ),
    Gate("spectral", ("spectral lint {document} --ruleset linters/spectral.yaml --fail-severity hint",), (Need.NPM,)),
    _python(
        "openapi_python_client",
        "openapi-python-client generate --path {document} --output-path generated/{name}/trellis_client --meta none"
        " --overwrite --fail-on-warning --config {name}/config.yaml",
    ),
    _python(
        "openapi_generator_python",
        f"{OPENAPI_GENERATOR} python --additional-properties packageName=trellis_client",
        Need.JAVA,
        excused=JAVA_SAYS | {"^.* Except .reserved word.": "A parameter is called so; the client has another name."},
    ),
    _typescript("openapi_generator_typescript", f"{OPENAPI_GENERATOR} typescript-fetch", Need.JAVA, excused=JAVA_SAYS),
    _typescript(
        "openapi_fetch",  # A default is the server's: a client may leave the member out.
        "openapi-typescript {document} --output generated/{name}/schema.d.ts --default-non-nullable false",
    ),
    # With no `./` it would be a name in a registry of documents.
    _typescript("hey_api", "openapi-ts --input ./{document} --output generated/{name} --no-log-file"),
    Gate(
        "schemathesis",
        (f"{SCHEMATHESIS} examples,coverage",),
        longer=(f"{SCHEMATHESIS} fuzzing,stateful --max-time 240",),
    ),
)
