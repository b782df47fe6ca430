"""How tests have somebody become a member of a project: they are invited, and accept."""

from uuid import UUID

from tests.callers import Caller


async def join(host: Caller, project_id: UUID | str, guest: Caller, role: str = "viewer") -> None:
    """`host` manages the project, `guest` becomes a member."""
    invited = await host.post(f"/projects/{project_id}/invitations", json={"user_id": str(guest.id), "role": role})
    assert invited.status_code == 201, invited.text
    accepted = await guest.post(f"/invitations/{invited.json()['id']}/accept")
    assert accepted.status_code == 204, accepted.text
