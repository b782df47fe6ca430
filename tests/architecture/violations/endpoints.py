"""What endpoints say of themselves, in an application: with what the check says of it, in each spelling."""

BEFORE = """
    from typing import Annotated, Any

    from fastapi import Depends, Response
    from pydantic import BaseModel

    from modules.tags.models import Tag
    from modules.tags.schemas import TagRead
    from shared.http.reads import PageOf
    from shared.http.routes import Caller, CurrentChange, PublicChange, RecentChange, operation, resource_router
    from shared.http.routes.authentication import current_change
    from shared.writes import Change

    router = resource_router("/planted")
    MyChange = CurrentChange
    Rows = dict[str, str]
    OPEN = operation(slow=True, public=True)

    class Holder(BaseModel):
        tag: Tag

    class Card(BaseModel):
        password_hash: str
"""

ENDPOINTS = {
    "planted answers with what no schema describes: give it a Document, or a model of schemas.py.": [
        "@router.get('')\nasync def planted(caller: Caller) -> dict[str, str]: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> list[dict[str, str]]: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> dict | None: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> Annotated[dict[str, str], 'said']: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> 'dict[str, str]': ...",
        "@router.get('')\nasync def planted(caller: Caller) -> Rows: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> Any: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> list: ...",
        "@router.get('')\nasync def planted(caller: Caller): ...",
        "@router.get('', response_model=dict[str, Any])\nasync def planted(caller: Caller) -> Response: ...",
        "async def planted(caller: Caller) -> dict: ...\nrouter.add_api_route('', planted)",
    ],
    "planted answers with rows of Tag: answer with a Document of it.": [
        "@router.get('')\nasync def planted(caller: Caller) -> list[Tag]: ...",
        "@router.get('', response_model=PageOf[Tag])\nasync def planted(caller: Caller) -> Response: ...",
        "@router.get('')\nasync def planted(caller: Caller) -> Holder: ...",
    ],
    "Card shows password_hash, as a secret column is called. Leave it out.": [
        "@router.get('', response_model=list[Card])\nasync def planted(caller: Caller) -> Response: ...",
    ],
    "planted answers GET and takes a change: take a POST, PUT, PATCH or DELETE.": [
        "@router.get('')\nasync def planted(change: CurrentChange) -> None: ...",
        "@router.get('')\nasync def planted(change: RecentChange) -> None: ...",
        "@router.get('')\nasync def planted(change: MyChange) -> None: ...",
        "@router.get('')\nasync def planted(change: 'CurrentChange') -> None: ...",
        "@router.get('')\nasync def planted(change: Change = Depends(current_change)) -> None: ...",
        "@router.api_route('', methods=['GET'])\nasync def planted(change: CurrentChange) -> None: ...",
    ],
    "planted lets anybody change something: ask who calls, or say here why not: `# check: …`.": [
        "@router.delete('')\n@operation(public=True)\nasync def planted(change: PublicChange) -> None: ...",
        "@router.post('')\n@OPEN\nasync def planted() -> None: ...",
        "@router.delete('')\n@operation(**{'public': True})\nasync def planted() -> None: ...",
        "@router.api_route('', methods=['GET', 'PUT'])\n@OPEN\nasync def planted() -> None: ...",
    ],
}
"""By what is said of it: an endpoint in each spelling."""

ORDINARY = """
    @router.post("", status_code=201, response_model=TagRead)
    async def create(change: CurrentChange) -> Response: ...

    @router.get("", response_model=PageOf[TagRead])
    async def read(caller: Caller) -> Response: ...

    @router.get("/plain")
    async def plain(caller: Caller) -> str | None: ...

    @router.get("/export")
    async def export(caller: Caller) -> Response: ...

    @router.get("/words")
    @operation(public=True)
    async def words() -> list[str]: ...

    @router.delete("", status_code=204)
    async def wipe(change: CurrentChange) -> None: ...
"""
