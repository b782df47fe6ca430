"""The manifest of the tags module."""

from modules.tags.container import TagsContainer
from modules.tags.repository import TagRepository
from modules.tags.router import router
from modules.tags.seeds import seed
from shared.manifest import Module

module = Module(
    name="tags",
    requires=("users",),
    container=TagsContainer,
    router=router,
    resources=(TagRepository,),
    seed=seed,
)
