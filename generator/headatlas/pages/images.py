"""The list of a model's images, in parts that are not too heavy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clipheads.bundle.gallery import GalleryManifest
from headatlas import urls
from headatlas.citations import of_model
from headatlas.pages.filter_texts import filter_texts
from headatlas.pages.page import Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import ModelView, Picture
from headatlas.urls import Link

PAGE_SIZE = 600
"""Images on one page of the list; more would make it too heavy."""


@dataclass(frozen=True, eq=False)
class ImagesContent:
    """One part of the list of a model's images."""

    model: ModelView
    gallery: GalleryManifest
    pictures: tuple[Picture, ...]
    texts: Link
    """What the model answers about them."""
    parts: tuple[Link, ...]
    """All parts of the list."""


def pages(site: SiteView) -> list[Page]:
    """One page or more for each model that was built."""
    return [page for model in site.models for page in _pages(model, site.gallery)]


def _pages(model: ModelView, gallery: GalleryManifest) -> list[Page]:
    name = model.record.name
    pictures = tuple(model.pictures.values())
    groups = [pictures[start : start + PAGE_SIZE] for start in range(0, len(pictures), PAGE_SIZE)]
    parts = tuple(urls.images(name, part) for part in range(1, len(groups) + 1))
    return [
        Page(
            link=link,
            template="images.html",
            title=f"Images in {name}" + (f", part {part}" if part > 1 else ""),
            description=f"The {len(pictures)} gallery images over which {name} was decomposed.",
            content=ImagesContent(
                model=model,
                gallery=gallery,
                pictures=shown,
                texts=urls.images_texts(name, part),
                parts=parts,
            ),
            files={urls.images_texts(name, part): filter_texts(_answers(model, shown))},
            trail=model.trail,
            reference=of_model(model.record, "images" + (f", part {part}," if part > 1 else "")),
        )
        for part, (link, shown) in enumerate(zip(parts, groups, strict=True), start=1)
    ]


def _answers(model: ModelView, pictures: Iterable[Picture]) -> Iterator[list[str]]:
    answers = model.bundle.images.answers
    for picture in pictures:
        yield [answer.text for answer in answers.get(picture.image.id, [])]
