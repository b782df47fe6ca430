"""What no module's code may use: names that get around the borders, or that keep every other request waiting."""

import ast
import re
from collections.abc import Iterator

from app.development.checking.places import Place, is_within, named
from app.development.checking.sources import Finding, last

_IMPORT = "import it at the top of the file, as `requires` allows: no check sees what is loaded by its name."
_SETTINGS = "take the value as an argument of the constructor: the container passes settings."
_UNIT = "statements go through the verbs, `change.unit` or `Database.read`, on the kernel's connections."
_WAITS = "every other request waits meanwhile: await something in its place, or run it by `asyncio.to_thread`."
_HASH = "it blocks every other request: `kernel.passwords` hashes in threads of its own."
_NETWORK = "no request waits for another machine: publish an event, and do this in a job (`# check: in a job`)."
_HIDDEN = "no hidden context decides what a statement means: pass it as an argument."
_ANSWER = "answer with a Document: `document_response`, `page_response`, or a schema as the return type."
_PROBLEM = "raise a domain error of errors.py: the kernel makes a problem of it."

FORBIDDEN = {
    **dict.fromkeys(("importlib", "__import__", "pkgutil", "runpy", "sys.modules", "exec", "eval"), _IMPORT),
    **dict.fromkeys(("os.environ", "os.getenv"), _SETTINGS),
    **dict.fromkeys(("psycopg", "psycopg2", "psycopg_pool", "asyncpg", "sqlite3", "sqlalchemy.ext.asyncio"), _UNIT),
    **dict.fromkeys(("sqlalchemy.create_engine", "sqlalchemy.orm.Session", "sqlalchemy.orm.sessionmaker"), _UNIT),
    **dict.fromkeys(("sqlmodel.create_engine", "sqlmodel.Session", "shared.wire.connect"), _UNIT),
    **dict.fromkeys(("requests", "httpx", "httpx2", "aiohttp", "urllib.request", "urllib3", "http.client"), _NETWORK),
    **dict.fromkeys(("smtplib", "ftplib", "socket", "websockets", "grpc", "boto3", "redis"), _NETWORK),
    **dict.fromkeys(("contextvars.ContextVar", "threading.local"), _HIDDEN),
    **dict.fromkeys(("fastapi.HTTPException()", "starlette.exceptions.HTTPException()"), _PROBLEM),
    **dict.fromkeys(
        (f"fastapi.responses.{kind}Response" for kind in ("JSON", "HTML", "PlainText", "Streaming")), _ANSWER
    ),
}
"""By name, what to do instead. `()` stands for a call: an `except` may name it."""
BLOCKING = {
    **dict.fromkeys(("time.sleep", "subprocess", "os.system", "os.popen", "open", "io.open", "input"), _WAITS),
    **dict.fromkeys(("asyncio.run", "threading", "concurrent.futures", "shutil"), _WAITS),
    **dict.fromkeys(("hashlib.scrypt", "hashlib.pbkdf2_hmac", "argon2", "bcrypt", "passlib"), _HASH),
}
"""What a request may not do. Seeds and commands may: they serve nobody beside."""
FILE_METHODS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob", "unlink"})


def uses_what_no_module_may(place: Place) -> Iterator[Finding]:
    """Dynamic imports, the environment, connections, the network, hidden state, answers past the documents."""
    yield from _uses(place, FORBIDDEN)


def blocks(place: Place) -> Iterator[Finding]:
    """Blocking calls, also in functions that `async def` ones call. Ruff's ASYNC rules see some in `async def`."""
    if place.is_in(*_offline(place)):
        return
    yield from _uses(place, BLOCKING)
    for call, called in place.source.calls():
        if last(called) in FILE_METHODS:
            yield place.source.finding(call, f".{last(called)}() reads or writes a file: {_WAITS}")


def answers_by_hand(place: Place) -> Iterator[Finding]:
    """A `Response` with a content made here says what no schema says, and shows what no policy judged."""
    for call, called in place.source.calls():
        has_content = call.args or any(word.arg in {"content", None} for word in call.keywords)
        if has_content and called.startswith(("fastapi.", "starlette.")) and last(called) == "Response":
            yield place.source.finding(call, f"A Response is written by hand: {_ANSWER}")


def names_a_secret_of_another(place: Place) -> Iterator[Finding]:
    """A column marked SECRET is named by its owner alone: in a document, a statement or a contribution."""
    own = place.tree.attributes(place.module)
    secrets = {name: owner for name, owner in place.tree.secrets.items() if owner != place.module and name not in own}
    words: list[tuple[ast.AST, str]] = [*place.source.texts]
    for node in place.source.nodes:
        match node:
            case ast.Attribute(attr=word) | ast.Name(id=word) | ast.keyword(arg=str(word)):
                words.append((node, word))
    for node, text in words:
        for name in sorted(secrets.keys() & set(re.findall(r"\w+", text))):
            yield place.source.finding(node, f"{name} is a secret of '{secrets[name]}': do without it.")


def keeps_state(place: Place) -> Iterator[Finding]:
    """What a module keeps in its variables, each process has of its own, and every test leaves to the next."""
    advice = "keep it in a table, or in an object that the container makes once."
    changed = {name for node in place.source.nodes for name in _changed(node)}
    for node in place.source.nodes:
        if isinstance(node, ast.Global):
            yield place.source.finding(node, f"{named(node.names)} changes while the application runs: {advice}")
    for node in place.source.tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or value is None or not _holds(place, value):
            continue
        if target.id in changed or _is_empty(place, value):
            yield place.source.finding(node, f"{target.id} changes while the application runs: {advice}")


def _uses(place: Place, forbidden: dict[str, str]) -> Iterator[Finding]:
    inner = {id(node.value) for node in place.source.nodes if isinstance(node, ast.Attribute)}
    called = {id(node.func) for node in place.source.nodes if isinstance(node, ast.Call)}
    for node in place.source.nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or id(node) in inner or isinstance(node.ctx, ast.Store):
            continue
        dotted = place.source.dotted(node) + ("()" if id(node) in called else "")
        for name, advice in forbidden.items():
            if is_within(dotted.removesuffix("()"), name) or dotted == name:
                yield place.source.finding(node, f"{dotted.removesuffix('()')} is used: {advice}")


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


_MUTATORS = frozenset(
    {"append", "add", "update", "setdefault", "pop", "clear", "extend", "insert", "remove", "discard"}
)
_MUTABLE = frozenset({"dict", "list", "set", "defaultdict", "Counter", "deque", "OrderedDict", "WeakValueDictionary"})


def _changed(node: ast.AST) -> Iterator[str]:
    """The names of what a node changes in place."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _MUTATORS:
            yield name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            yield name


def _holds(place: Place, value: ast.expr) -> bool:
    is_display = isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)
    return is_display or (isinstance(value, ast.Call) and last(place.source.dotted(value.func)) in _MUTABLE)


def _is_empty(place: Place, value: ast.expr) -> bool:
    match value:
        case ast.Dict(keys=inside) | ast.List(elts=inside) | ast.Call(args=inside):
            return not inside or last(place.source.dotted(getattr(value, "func", value))) == "defaultdict"
    return False


RULES = (uses_what_no_module_may, blocks, answers_by_hand, names_a_secret_of_another, keeps_state)
"""Of files that are no tests."""
