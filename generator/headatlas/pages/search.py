"""The search page: the analyses in the visitor's browser, from files exported for it."""

from dataclasses import dataclass

from clipheads.bundle.search import TOP
from headatlas import urls
from headatlas.pages.page import ATLAS, POLICY, Page
from headatlas.pages.search_export import NOTES, SearchExport
from headatlas.pages.site_view import SiteView


@dataclass(frozen=True, eq=False)
class SearchContent:
    """The page."""

    export: SearchExport
    top: int = TOP
    """Nearest images that are compared where an export is held against PyTorch."""

    @property
    def note(self) -> str:
        """Which texts the first model takes."""
        record = self.export.models[0].record
        return NOTES["any" if record.text_encoder and record.tokenizer else "known"]

    @property
    def sees(self) -> bool:
        """Whether the first model takes an image of the visitor's own."""
        return self.export.models[0].record.image_encoder is not None


def pages(site: SiteView) -> list[Page]:
    """The one page; none if no model was exported for it."""
    if site.search is None:
        return []
    return [
        Page(
            link=urls.SEARCH,
            template="search.html",
            title="Search",
            description="Ask the attention heads of CLIP with your own words and your own image: "
            "neighbours, properties and heat maps, computed in your browser.",
            content=SearchContent(site.search),
            trail=(ATLAS,),
            sections={
                "how": "What happens here",
                "exactness": "How exact it is",
                "speed": "Speed in your browser",
            },
            files=site.search.files,
            policy=_policy(site.search.elsewhere),
        )
    ]


def _policy(elsewhere: str) -> str:
    """The page's policy: that of all pages, and WebAssembly, a worker, and files to load."""
    host = f" {elsewhere}" if elsewhere else ""
    policy = POLICY.replace("script-src 'self'", f"script-src 'self' 'wasm-unsafe-eval'{host}")
    policy = policy.replace("connect-src 'self'", f"connect-src 'self'{host}")
    return f"{policy}; worker-src 'self'"
