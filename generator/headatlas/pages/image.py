"""An image's page: the heads that contribute most to its embedding, and its neighbours in each."""

from dataclasses import dataclass

from clipheads.bundle.images import HeadShare, ZeroShotAnswer
from headatlas.citations import of_model
from headatlas.pages.page import Crumb, Page
from headatlas.pages.site_view import SiteView
from headatlas.pages.view import HeadView, ModelView, NeighbourView, Picture, PropertyView


@dataclass(frozen=True, eq=False)
class ImageHead:
    """A head's part in one image, and the image's neighbours in that head."""

    head: HeadView
    share: HeadShare
    near: tuple[NeighbourView, ...]


@dataclass(frozen=True, eq=False)
class ImageContent:
    """An image's page."""

    model: ModelView
    picture: Picture
    answers: tuple[tuple[ZeroShotAnswer, PropertyView | None], ...]
    """What the whole model answers, with the property if it labels a head."""
    heads: tuple[ImageHead, ...]
    previous: Picture | None
    following: Picture | None


def pages(site: SiteView) -> list[Page]:
    """A page for each image of the gallery in each model that was built."""
    return [page for model in site.models for page in _pages(model)]


def _pages(model: ModelView) -> list[Page]:
    pictures = tuple(model.pictures.values())
    heads = {head.summary.id: (row, head) for row, head in enumerate(model.heads)}

    def image_head(index: int, share: HeadShare) -> ImageHead:
        row, head = heads[share.head]
        nearest = model.bundle.neighbours[row, index].tolist()
        scores = model.bundle.scores[row, index].tolist()
        near = zip(nearest, scores, strict=True)
        return ImageHead(head, share, tuple(NeighbourView(pictures[i], score) for i, score in near))

    return [
        _page(
            ImageContent(
                model=model,
                picture=picture,
                answers=tuple(
                    (answer, model.property_named(answer.property))
                    for answer in model.bundle.images.answers.get(picture.image.id, [])
                ),
                heads=tuple(
                    image_head(index, share)
                    for share in model.bundle.images.images.get(picture.image.id, [])
                ),
                previous=pictures[index - 1] if index else None,
                following=pictures[index + 1] if index + 1 < len(pictures) else None,
            )
        )
        for index, picture in enumerate(pictures)
    ]


def _page(content: ImageContent) -> Page:
    model, image = content.model, content.picture.image
    name = model.record.name
    return Page(
        link=content.picture.page,
        template="image.html",
        title=f"{image.title} in {name}",
        description=f"The heads of {name} that contribute more than usual to the embedding of this "
        f"image ({image.title}), and its nearest neighbours in each.",
        content=content,
        trail=(*model.trail, Crumb("Images", model.images_page)),
        sections={"heads": "Heads that contribute more than usual"},
        picture=content.picture.full,
        reference=of_model(model.record, f"image {image.id} ({image.title})"),
    )
