"""The pages of an atlas in memory, by kind, without a site on disk."""

from types import ModuleType

from headatlas.atlas_reader import Atlas
from headatlas.pages.kinds import KINDS
from headatlas.pages.page import Page
from headatlas.site import view_site


def pages_of(atlas: Atlas, *kinds: ModuleType) -> list[Page]:
    """All pages of an atlas, or those of some kinds."""
    site = view_site(atlas)
    return [page for kind in kinds or KINDS for page in kind.pages(site)]
