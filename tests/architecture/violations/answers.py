"""What endpoints answer with, as their source says it; tests/architecture/violations/endpoints.py has the rest."""

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
}
