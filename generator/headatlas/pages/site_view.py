"""Everything that pages are made of: the models, the gallery, what is published, the search."""

from collections.abc import Mapping
from dataclasses import dataclass

from clipheads.bundle.gallery import GalleryManifest
from clipheads.bundle.literature import LiteratureRecord
from headatlas.pages.published import PublishedView
from headatlas.pages.search_export import SearchExport
from headatlas.pages.view import ModelView


@dataclass(frozen=True, eq=False)
class SiteView:
    """What each kind of page takes its content from."""

    gallery: GalleryManifest
    models: tuple[ModelView, ...]
    """Those that were built, at least one."""
    published: PublishedView
    literature: LiteratureRecord
    """Heads that publications name."""
    search: SearchExport | None = None
    """What browsers load of the models that can be searched; None if none can."""

    @property
    def searched(self) -> frozenset[str]:
        """The names of the models that can be searched."""
        return self.search.names if self.search else frozenset()

    @property
    def measured(self) -> tuple[ModelView, ...]:
        """The models of which the ground truth is known."""
        return tuple(model for model in self.models if model.bundle.truth)

    def published_labels(self, model: ModelView) -> Mapping[str, str]:
        """The labels that the paper's authors published for a built model, by head."""
        if model.local_weights:
            return {}
        rows = self.published.paper.models
        return next((row.labels for row in rows if row.model == model.record.name), {})
