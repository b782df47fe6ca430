"""What no module's code may use: names that get around the borders, or that keep every other request waiting."""

import ast
import re
from collections.abc import Iterator, Sequence

from app.development.checking.places import PUBLISHED, Place
from app.development.checking.sources import Finding, last
from app.development.checking.sql import sql_in

_IMPORT = "import it at the top of the file, as `requires` allows: no check sees what is loaded by its name."
_SETTINGS = "take the value as an argument of the constructor: the container passes settings."
_UNIT = "statements go through the verbs, `change.unit` or `Database.read`, on the kernel's connections."
_WAITS = "every other request waits meanwhile: await something in its place, or run it by `asyncio.to_thread`."
_HASH = "it blocks every other request: `kernel.passwords` hashes in threads of its own."
_NETWORK = "no request waits for another machine: publish an event, and do this in a job (`# check: in a job`)."
_HIDDEN = "no hidden context decides what a statement means: pass it as an argument."
_ANSWER = "answer with a Document: `document_response`, `page_response`, or a schema as the return type."
_PROBLEM = "raise a domain error of errors.py: the kernel makes a problem of it."

_OPENED = r"(create_engine|create_async_engine|engine_from_config|Session|AsyncSession|sessionmaker|scoped_session)"
FORBIDDEN = (
    (r"importlib\.(import_module|reload|util|machinery)|pkgutil|runpy|pydoc|pydantic\.ImportString", _IMPORT),
    (r"__import__|exec\(|eval\(|sys\.modules|globals\(|zipimport", _IMPORT),
    (r"os\.(environb?|getenvb?|putenv)|shared\.settings\.Settings\(|(?:pydantic_settings|decouple|dotenv)", _SETTINGS),
    (r"psycopg2?|psycopg_pool|asyncpg|aiopg|pg8000|sqlite3|aiosqlite|sqlalchemy\.ext\.asyncio", _UNIT),
    (rf"(sqlalchemy|sqlmodel)\.(\w+\.)*{_OPENED}|shared\.wire\.(connect|Database\()", _UNIT),
    (r"requests|httpx2?|httpcore|aiohttp|urllib\.request|urllib3|pycurl|http\.client|xmlrpc|ssl|paramiko", _NETWORK),
    (r"smtplib|aiosmtplib|imaplib|poplib|ftplib|telnetlib|socket|socketserver|websockets?|grpc|zmq", _NETWORK),
    (r"boto3|botocore|redis|pymongo|motor|pika|aio_pika|kafka|elasticsearch|stripe", _NETWORK),
    (r"asyncio\.(open_(unix_)?connection|start_(unix_)?server)|anyio\.connect_\w+", _NETWORK),
    (r"contextvars\.ContextVar|threading\.local", _HIDDEN),
    (r"(fastapi|starlette)\.(\w+\.)*HTTPException", _PROBLEM),
    (r"(fastapi|starlette)\.(\w+\.)*\w+Response", _ANSWER),
    (r"shared\.auth\.RESOURCES", PUBLISHED),
)
"""What no module uses, and what it does instead. What begins a dotted name; `(` stands for a call."""
_PURE = r"urandom|environb?|getenvb?|putenv|fspath|PathLike|sep|linesep|name|getpid|cpu_count|strerror"
_PURE_PATHS = r"join|basename|dirname|split|splitext|normpath|isabs|commonpath|relpath|sep"
BLOCKING = (
    (rf"os\.(?!({_PURE}|path\.({_PURE_PATHS}))\b)\w+", _WAITS),
    (r"time\.sleep|subprocess|open\(|io\.open|input\(|codecs\.open|tempfile|shutil|glob|fileinput", _WAITS),
    (r"(gzip|bz2|lzma|tarfile|zipfile)\.open", _WAITS),
    (
        r"asyncio\.(run|Runner|run_coroutine_threadsafe)|threading(?!\.local)|multiprocessing|concurrent\.futures",
        _WAITS,
    ),
    (r"select|selectors|signal\.(pause|sigwait)|queue\.(Simple)?Queue|anyio\.run", _WAITS),
    (r"hashlib\.(scrypt|pbkdf2_hmac)|argon2|bcrypt|passlib", _HASH),
)
"""What a request may not do. Seeds and commands may: they serve nobody beside."""
FILE_METHODS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob", "unlink"})
_OF_PATHS = frozenset(
    {"chmod", "exists", "glob", "is_dir", "is_file", "mkdir", "open", "rename", "rmdir", "stat", "touch"}
)
"""Methods of other objects, too."""
_TOGETHER = frozenset({"create_task", "ensure_future", "gather", "run_in_executor", "to_thread", "wait", "wait_for"})


def uses_what_no_module_may(place: Place) -> Iterator[Finding]:
    """Dynamic imports, the environment, connections, the network, hidden state, answers past the documents."""
    yield from _uses(place, FORBIDDEN)


def blocks(place: Place) -> Iterator[Finding]:
    """Blocking calls, also in functions that `async def` ones call. Ruff's ASYNC rules see some in `async def`."""
    if place.is_in(*_offline(place)):
        return
    yield from _uses(place, BLOCKING)
    for call, called in place.source.calls():
        method = last(called)
        origin = place.source.bindings.origin(call.func)
        if method in FILE_METHODS or (method in _OF_PATHS and origin.startswith("pathlib.") and "Pure" not in origin):
            yield place.source.finding(call, f".{method}() reads or writes a file: {_WAITS}")
        elif method == "run_until_complete":
            yield place.source.finding(call, f".{method}() is called: {_WAITS}")


def shares_a_unit(place: Place) -> Iterator[Finding]:
    """A unit of work is one connection, on which one statement follows another."""
    for call, called in place.source.calls():
        given = [*call.args, *(word.value for word in call.keywords)]
        words = {getattr(node, "id", getattr(node, "attr", "")) for each in given for node in ast.walk(each)}
        if last(called) in _TOGETHER and called.startswith("asyncio.") and words & {"change", "unit"}:
            way = "a unit of work takes one statement after another: await each."
            yield place.source.finding(call, f"{called} runs what the change does beside something else: {way}")


def answers_by_hand(place: Place) -> Iterator[Finding]:
    """A `Response` with a content made here says what no schema says, and shows what no policy judged."""
    for node in place.source.nodes:
        match node:
            case ast.Call(args=args, keywords=words, func=made) if args or {"content", None} & {w.arg for w in words}:
                pass
            case ast.ClassDef(bases=[made, *_]) | ast.Attribute(value=made, attr="body", ctx=ast.Store()):
                pass
            case _:
                continue
        origin = place.source.bindings.origin(made)
        if origin.startswith(("fastapi.", "starlette.")) and last(origin) == "Response":
            yield place.source.finding(node, f"A Response is written by hand: {_ANSWER}")


def names_a_secret_of_another(place: Place) -> Iterator[Finding]:
    """A column marked SECRET is named by its owner alone: in a document, a statement or a contribution."""
    own = place.tree.attributes(place.module)
    secrets = {name: owner for name, owner in place.tree.secrets.items() if owner != place.module and name not in own}
    for node, text in _of_columns(place):
        for name in sorted(secrets.keys() & set(re.findall(r"\w+", text))):
            yield place.source.finding(node, f"{name} is a secret of '{secrets[name]}': do without it.")


def _of_columns(place: Place) -> Iterator[tuple[ast.AST, str]]:
    """Where columns are named: `rows.c.name`, `rows.c["name"]`, `column("name")`, SQL, and the fields of a document."""
    for node in place.source.nodes:
        match node:
            case ast.Attribute(value=ast.Attribute(attr="c" | "columns"), attr=word):
                yield node, word
            case ast.Subscript(value=ast.Attribute(attr="c" | "columns"), slice=key):
                yield from ((node, text) for text in place.source.values(key))
            case ast.Call(func=called, args=[key, *_]) if last(place.source.dotted(called)) in {"column", "attrgetter"}:
                yield from ((node, text) for text in place.source.values(key))
            case ast.ClassDef(bases=bases, body=fields) if "Document" in {last(place.source.dotted(b)) for b in bases}:
                for field in fields:
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                        yield field, field.target.id
    yield from sql_in(place)


def _uses(place: Place, forbidden: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    called = {id(node.func) for node in place.source.nodes if isinstance(node, ast.Call)}
    handlers = (node.type for node in place.source.nodes if isinstance(node, ast.ExceptHandler) and node.type)
    caught = {id(part) for kind in handlers for part in ast.walk(kind)}
    for node, name in place.source.chains:
        dotted = name.removeprefix("builtins.")
        for pattern, advice in forbidden:
            if id(node) not in caught and re.match(rf"(?:{pattern})(?![\w])", f"{dotted}{'(' * (id(node) in called)}"):
                yield place.source.finding(node, f"{dotted} is used: {advice}")


def _offline(place: Place) -> list[str]:
    """The files of seeds and commands, as the manifest names them."""
    manifest = place.tree.sources.get(f"modules/{place.module}/module.py")
    words = [
        word
        for call, name in (manifest.calls() if manifest else ())
        if name == "shared.manifest.Module"
        for word in call.keywords
        if word.arg in {"seed", "commands"}
    ]
    used = (manifest.dotted(node) for word in words for node in ast.walk(word.value) if manifest)
    prefix = f"modules.{place.module}."
    return [name.removeprefix(prefix).rpartition(".")[0] for name in used if name.startswith(prefix)]


RULES = (uses_what_no_module_may, blocks, shares_a_unit, answers_by_hand, names_a_secret_of_another)
"""Of files that are no tests."""
