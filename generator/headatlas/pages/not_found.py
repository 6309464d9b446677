"""What a server shows, at any address, when there is no such page."""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256

from headatlas import urls
from headatlas.pages.page import POLICY, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView
from headatlas.template_files import templates_folder


@dataclass(frozen=True, eq=False)
class NotFoundContent:
    """The page for missing pages. It can load nothing, so it holds its own style."""

    models: tuple[ModelView, ...]
    style: str


def pages(site: SiteView) -> list[Page]:
    """The one page; its policy allows its style by hash."""
    style = (templates_folder() / "not_found.css").read_text("utf-8").strip()
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    return [
        Page(
            link=urls.NOT_FOUND,
            template="not_found.html",
            title="Page not found",
            description="The atlas has no page at this address.",
            content=NotFoundContent(models=site.models, style=style),
            policy=POLICY.replace("style-src 'self'", f"style-src 'sha256-{hashed}'"),
            citable=False,
        )
    ]
