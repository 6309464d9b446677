"""What the pages of one model share: its heads, properties, pictures and heat maps, with links."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipheads.bundle.contrast import ContrastRecord
from clipheads.bundle.gallery import GalleryImage
from clipheads.bundle.head import HeatMap
from clipheads.bundle.label_names import fold_label
from clipheads.bundle.model import HeadSummary, ModelRecord, PropertyRecord
from clipheads.bundle.neighbour import Neighbour
from headatlas import urls
from headatlas.atlas_reader import Atlas, ModelBundle
from headatlas.pages.metrics import Metric, metrics_of
from headatlas.pages.page import ATLAS, Crumb
from headatlas.pictures.heat_maps import peak
from headatlas.pictures.locator import Locator, locator
from headatlas.pictures.palette import COLOURS, assign
from headatlas.pictures.tiles import TileSheet, size, tile_sheet
from headatlas.urls import Link

OPENAI_WEIGHTS = {
    "ViT-B-32_openai": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B-16_openai": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-L-14_openai": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
}
"""SHA-256 of OpenAI's files, as their addresses have it: so they are known as local files too."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A gallery image, as the pages of one model show it."""

    image: GalleryImage
    page: Link
    small: Link
    """The centred square, which is what the model sees."""
    full: Link


@dataclass(frozen=True, eq=False)
class PropertyView:
    """A property of one model, with its colour."""

    record: PropertyRecord
    page: Link
    number: int
    """Of the property among all properties of the site."""
    colour: int


@dataclass(frozen=True, eq=False)
class HeadView:
    """A head, as other pages show it."""

    summary: HeadSummary
    page: Link
    property: PropertyView | None
    number: int
    """Its position among the heads of the model, and of its tile among their tiles."""
    size: int
    """Of its tile, by its share of variance."""


@dataclass(frozen=True, eq=False)
class HeatMapView:
    """A heat map over a picture."""

    picture: Picture
    grid: NDArray[np.float32]
    """[rows, columns]: ⟨c of the patch, text⟩."""
    scale: float
    """The absolute value of full colour, which maps that are shown together share."""
    noise: float = 0.0
    """Values below it are not drawn."""


@dataclass(frozen=True, eq=False)
class NeighbourView:
    """A picture and its cosine with the query."""

    picture: Picture
    score: float


@dataclass(frozen=True, eq=False)
class ModelView:
    """A model with all that its pages show in common."""

    bundle: ModelBundle
    record: ModelRecord
    page: Link
    images_page: Link
    properties_page: Link
    contrasts_page: Link
    finder_page: Link
    heads: tuple[HeadView, ...]
    rows: tuple[tuple[int, tuple[HeadView, ...]], ...]
    """Layers with their heads, the last layer first: it writes into the embedding last."""
    properties: tuple[PropertyView, ...]
    metrics: tuple[Metric, ...]
    """Everything that is measured of its heads."""
    contrasts: tuple[tuple[ContrastRecord, Link], ...]
    locator: Locator
    """Its heads in miniature."""
    pictures: dict[str, Picture]
    folder: Path
    """Holds the files of the pictures."""
    tiles: TileSheet
    labelled: int
    """How many heads have a label."""
    labelled_variance: float | None
    """Their part of what all heads of the bundle write of the embedding's variance, unless that is
    nothing."""

    @property
    def local_weights(self) -> bool:
        """Whether the weights come from a file, whatever pretrained model has the same name."""
        weights = self.record.weights
        return (
            not self.record.name.endswith(f"_{weights.source}")
            and OPENAI_WEIGHTS.get(self.record.name) != weights.sha256
        )

    @property
    def trail(self) -> tuple[Crumb, ...]:
        """The way from the home page to the pages of this model."""
        return (ATLAS, Crumb(self.record.name, self.page))

    def head(self, identity: str) -> HeadView:
        """The head of this name."""
        return next(head for head in self.heads if head.summary.id == identity)

    def property_named(self, name: str | None) -> PropertyView | None:
        """The property of this name, if it labels a head."""
        folded = fold_label(name or "")
        return next((p for p in self.properties if fold_label(p.record.name) == folded), None)

    def heat(self, maps: Iterable[HeatMap], noise: float = 0.0) -> tuple[HeatMapView, ...]:
        """Heat maps that are shown together, on the scale of the largest value in any of them."""
        return self.heats([maps], noise)[0]

    def heats(
        self, groups: Iterable[Iterable[HeatMap]], noise: float = 0.0
    ) -> tuple[tuple[HeatMapView, ...], ...]:
        """Groups of heat maps, all on one scale: that of the largest value in any of them."""
        found = [
            [(self.pictures[m.image], self.bundle.maps[m.map]) for m in maps] for maps in groups
        ]
        scale = max((peak(grid) for group in found for _, grid in group), default=0.0)
        return tuple(
            tuple(HeatMapView(picture, grid, scale, noise) for picture, grid in group)
            for group in found
        )

    def near(self, neighbours: Iterable[Neighbour]) -> tuple[NeighbourView, ...]:
        """Neighbours with their pictures."""
        return tuple(NeighbourView(self.pictures[n.image], n.score) for n in neighbours)


def model_views(atlas: Atlas) -> tuple[ModelView, ...]:
    """What the pages of each built model share."""
    numbers = assign(
        prop.slug for model in atlas.models for prop in model.record.properties for _ in prop.heads
    )
    return tuple(_view(model, atlas, numbers) for model in atlas.models)


def _view(bundle: ModelBundle, atlas: Atlas, numbers: dict[str, int]) -> ModelView:
    record = bundle.record
    name = record.name
    properties = tuple(
        PropertyView(
            record=prop,
            page=urls.property_(name, prop.slug),
            number=numbers[prop.slug],
            colour=numbers[prop.slug] % COLOURS,
        )
        for prop in sorted(record.properties, key=lambda p: (-len(p.heads), p.slug))
    )
    property_of = {head: prop for prop in properties for head in prop.record.heads}
    largest = max(summary.variance_share for summary in record.heads)
    heads = tuple(
        HeadView(
            summary=summary,
            page=urls.head(name, summary.id),
            property=property_of.get(summary.id),
            number=number,
            size=size(summary.variance_share, largest),
        )
        for number, summary in enumerate(record.heads)
    )
    labelled = [head for head in heads if head.summary.label is not None]
    variance = sum(head.summary.variance_share for head in heads)
    return ModelView(
        labelled=len(labelled),
        labelled_variance=sum(head.summary.variance_share for head in labelled) / variance
        if variance > 0
        else None,
        bundle=bundle,
        record=record,
        page=urls.model(name),
        images_page=urls.images(name),
        properties_page=urls.properties(name),
        contrasts_page=urls.contrasts(name),
        finder_page=urls.finder(name),
        heads=heads,
        rows=tuple(
            (
                layer,
                tuple(
                    sorted(
                        (head for head in heads if head.summary.layer == layer),
                        key=lambda head: head.summary.head,
                    )
                ),
            )
            for layer in sorted(record.layers, reverse=True)
        ),
        locator=locator(
            record.architecture.heads,
            record.architecture.layers,
            (
                (
                    (head.summary.layer, head.summary.head),
                    head.property.colour if head.property else None,
                )
                for head in heads
            ),
        ),
        properties=properties,
        metrics=metrics_of(bundle),
        contrasts=tuple(
            (contrast, urls.contrast(name, contrast.slug)) for contrast in record.contrasts
        ),
        pictures={
            image.id: Picture(
                image=image,
                page=urls.image(name, image.id),
                small=urls.small_picture(image.id),
                full=urls.picture(image.id),
            )
            for image in atlas.gallery.images
        },
        folder=atlas.folder / "gallery",
        tiles=tile_sheet(urls.tiles(name), len(heads), record.architecture.heads),
    )
