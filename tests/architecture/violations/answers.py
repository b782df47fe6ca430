"""What endpoints answer, and whom."""

from tests.architecture.violations.violation import TAGS, Violation

ROUTER = f"{TAGS}router.py"

ANSWERS = {
    "a neighbour's secret is named": Violation(
        f"{TAGS}repository.py",
        "def shown(rows):\n    return rows.c.password_hash  # here",
        "password_hash is a secret of 'users': do without it.",
    ),
    "a neighbour's secret is in a text of SQL": Violation(
        f"{TAGS}repository.py",
        "from sqlalchemy import literal_column\nHASH = literal_column('max(password_hash)')  # here",
        "password_hash is a secret of 'users'",
    ),
    "a neighbour's secret is a field of a document": Violation(
        f"{TAGS}schemas.py",
        "class Card(Document):\n    password_hash: str  # here",
        "password_hash is a secret of 'users'",
    ),
    "an endpoint answers with rows": Violation(
        ROUTER,
        """
        @router.get("/rows", response_model=list[Tag])  # here
        async def rows(caller: Caller) -> Response: ...
        """,
        "rows answers with rows of Tag: answer with a Document of it.",
    ),
    "an endpoint answers with a dictionary": Violation(
        ROUTER,
        """
        @router.get("/rows")
        async def rows(caller: Caller) -> dict[str, str]: ...  # here
        """,
        "rows answers with what no schema describes: give it a Document, or a model of schemas.py.",
    ),
    "an endpoint writes its answer by hand": Violation(
        ROUTER,
        """
        async def rows(row) -> Response:
            return Response(row.model_dump_json())  # here
        """,
        "A Response is written by hand: answer with a Document",
    ),
    "an endpoint answers with JSON of its own": Violation(
        ROUTER,
        """
        from fastapi.responses import JSONResponse
        async def rows(row) -> Response:
            return JSONResponse(row.model_dump())  # here
        """,
        "JSONResponse is used: answer with a Document",
    ),
    "an endpoint raises HTTP": Violation(
        ROUTER,
        """
        from fastapi import HTTPException
        async def rows() -> Response:
            raise HTTPException(404)  # here
        """,
        "raise a domain error of errors.py",
    ),
    "anybody may change something": Violation(
        ROUTER,
        """
        from shared.http.routes import PublicChange
        @router.delete("")
        @operation(public=True)  # here
        async def wipe(change: PublicChange, service: Service) -> None: ...
        """,
        "wipe lets anybody change something: ask who calls, or say here why not",
    ),
    "anybody may change something, in other words": Violation(
        ROUTER,
        """
        OPEN = operation(slow=True, public=True)
        @router.post("/wipe")
        @OPEN  # here
        async def wipe(service: Service) -> None: ...
        """,
        "wipe lets anybody change something",
    ),
    "a GET changes something": Violation(
        ROUTER,
        """
        @router.get("/wipe")
        async def wipe(change: CurrentChange) -> None: ...  # here
        """,
        "wipe answers GET and takes a change: take a POST, PUT, PATCH or DELETE.",
    ),
}
