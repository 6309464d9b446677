"""A small but complete bundle, drawn and written with NumPy and Pillow: what the site's tests read.

The pictures are scenes of one shape on a patterned ground, so that neighbours, shares and
heat maps can follow what is really in them.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors.numpy import save_file

from clipheads.bundle.gallery import GalleryImage, GalleryManifest, SkippedImage
from clipheads.bundle.head import (
    AttentionMap,
    DescriptionRecord,
    HeadRecord,
    HeatMap,
    ImageNeighbours,
    ImageShare,
    Neighbour,
    TopicMaps,
)
from clipheads.bundle.images import HeadShare, ImagesRecord
from clipheads.bundle.labels import Label, LabellerRecord
from clipheads.bundle.model import (
    Architecture,
    ContrastRecord,
    HeadSummary,
    ModelRecord,
    PropertyQuery,
    PropertyRecord,
    Score,
    Scores,
    Term,
    Weights,
)
from clipheads.bundle.pool import DescriptionPool
from clipheads.bundle.profile import (
    HeadProfile,
    ModelProfile,
    TransformEffect,
    TransformRecord,
    WordReading,
)
from clipheads.bundle.record import Record
from clipheads.maths.scores import concept_consistency, heads_by_consistency

SHAPES = ("sun", "house", "tree", "fish", "flower", "boat", "kite", "snowman")
COLOURS = {
    "red": (204, 62, 52),
    "orange": (232, 140, 44),
    "yellow": (238, 200, 66),
    "green": (76, 148, 84),
    "blue": (58, 112, 186),
    "purple": (126, 84, 160),
}
GROUNDS = ("plain ground", "stripes", "dots", "evening sky")
PROPERTIES = (
    ("Objects", SHAPES),
    ("Colours", tuple(COLOURS)),
    ("Patterns", GROUNDS),
    ("Positions", ("left", "right", "top", "bottom")),
    ("Weather", ("sunny", "snowy", "misty")),
    ("Emotions", ("calm", "cheerful", "gloomy")),
)
TOPICS = (
    ("a picture of a boat", "Objects"),
    ("stripes", "Patterns"),
    ("the colour red", "Colours"),
)
TRANSFORMS = (
    ("grey", "removing colour", "colour", 0.4),
    ("hue", "rotating the hue", "colour", 0.6),
    ("blur", "blurring", "detail", 0.2),
    ("word", "a printed word", "words", 0.3),
)
SIZES = ((512, 512), (512, 384), (384, 512))


@dataclass(frozen=True)
class Scene:
    """What is in one picture; x and y are the shape's centre, 0 to 1 within the centred square."""

    shape: str
    colour: str
    ground: str
    x: float
    y: float
    size: tuple[int, int]

    @property
    def title(self) -> str:
        """A caption in words."""
        return f"A {self.colour} {self.shape}, {self.ground}"


def scene(number: int) -> Scene:
    """The picture of this number."""
    draw = np.random.default_rng(number)
    return Scene(
        shape=SHAPES[number % len(SHAPES)],
        colour=list(COLOURS)[int(draw.integers(len(COLOURS)))],
        ground=GROUNDS[int(draw.integers(len(GROUNDS)))],
        x=float(draw.uniform(0.25, 0.75)),
        y=float(draw.uniform(0.3, 0.7)),
        size=SIZES[int(draw.integers(len(SIZES)))],
    )


def paint(what: Scene) -> Image.Image:
    """The picture of a scene."""
    width, height = what.size
    rng = np.random.default_rng(int(what.x * 1e6))
    base = rng.integers(150, 235, 3)
    fade = np.linspace(1.06, 0.86, height)[:, None, None]
    if what.ground == "evening sky":
        fade = np.linspace(0.55, 1.1, height)[:, None, None]
    pixels = np.broadcast_to(base, (height, width, 3)) * fade
    rows, columns = np.mgrid[0:height, 0:width]
    if what.ground == "stripes":
        pixels = pixels * np.where((rows + columns) // 28 % 2 == 0, 1.0, 0.88)[..., None]
    elif what.ground == "dots":
        ring = (rows % 56 - 28) ** 2 + (columns % 56 - 28) ** 2
        pixels = pixels * np.where(ring < 130, 0.8, 1.0)[..., None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    side = min(width, height)
    x = (width - side) / 2 + what.x * side
    y = (height - side) / 2 + what.y * side
    r = side * 0.17
    ink = COLOURS[what.colour]
    dark = tuple(int(channel * 0.55) for channel in ink)
    pale = tuple(int(channel + (255 - channel) * 0.7) for channel in ink)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + u * r, y + v * r) for u, v in points]

    pen.ellipse(at((-1.1, 1.0), (1.1, 1.35)), fill=tuple(int(c * 0.7) for c in base))
    if what.shape == "sun":
        for k in range(12):
            a = k * np.pi / 6
            pen.line(at((0, 0), (1.5 * np.cos(a), 1.5 * np.sin(a))), fill=ink, width=int(r / 7))
        pen.ellipse(at((-0.85, -0.85), (0.85, 0.85)), fill=ink, outline=dark, width=4)
    elif what.shape == "house":
        pen.rectangle(at((-0.9, -0.3), (0.9, 1.1)), fill=pale, outline=dark, width=4)
        pen.polygon(at((-1.2, -0.3), (0, -1.3), (1.2, -0.3)), fill=ink, outline=dark)
        pen.rectangle(at((-0.25, 0.3), (0.25, 1.1)), fill=dark)
    elif what.shape == "tree":
        pen.rectangle(at((-0.15, 0.3), (0.15, 1.2)), fill=(110, 78, 52))
        for v in (0.4, -0.15, -0.7):
            pen.polygon(at((-0.9, v), (0, v - 0.75), (0.9, v)), fill=ink, outline=dark)
    elif what.shape == "fish":
        pen.polygon(at((0.6, 0), (1.4, -0.6), (1.4, 0.6)), fill=dark)
        pen.ellipse(at((-1.1, -0.6), (0.9, 0.6)), fill=ink, outline=dark, width=4)
        pen.ellipse(at((-0.75, -0.25), (-0.5, 0)), fill="white", outline="black")
    elif what.shape == "flower":
        pen.line(at((0, 0), (0, 1.3)), fill=(64, 120, 70), width=int(r / 8))
        for k in range(6):
            a = k * np.pi / 3
            u, v = 0.62 * np.cos(a), 0.62 * np.sin(a) - 0.3
            pen.ellipse(at((u - 0.42, v - 0.42), (u + 0.42, v + 0.42)), fill=ink, outline=dark)
        pen.ellipse(at((-0.35, -0.65), (0.35, 0.05)), fill=pale, outline=dark)
    elif what.shape == "boat":
        pen.polygon(at((-1.2, 0.5), (1.2, 0.5), (0.7, 1.15), (-0.7, 1.15)), fill=ink, outline=dark)
        pen.line(at((0, 0.5), (0, -1.3)), fill=dark, width=5)
        pen.polygon(at((0.08, -1.25), (0.08, 0.35), (1.0, 0.35)), fill=pale, outline=dark)
    elif what.shape == "kite":
        pen.polygon(at((0, -1.3), (0.85, -0.2), (0, 1.0), (-0.85, -0.2)), fill=ink, outline=dark)
        pen.line(at((0, -1.3), (0, 1.0)), fill=dark, width=3)
        pen.line(at((-0.85, -0.2), (0.85, -0.2)), fill=dark, width=3)
    else:
        pen.ellipse(at((-0.75, 0), (0.75, 1.25)), fill="white", outline=dark, width=4)
        pen.ellipse(at((-0.5, -0.9), (0.5, 0.1)), fill="white", outline=dark, width=4)
        pen.rectangle(at((-0.4, -1.3), (0.4, -0.8)), fill=ink)
    return image


def _sha256(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def _attention(rng: np.random.Generator, grid: tuple[int, int]) -> AttentionMap:
    own, *patches = rng.dirichlet(np.ones(1 + grid[0] * grid[1])).tolist()
    return AttentionMap(class_token=own, patches=np.reshape(patches, grid).tolist())


def _write_json(path: Path, record: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def write_gallery(atlas: Path, images: int) -> GalleryManifest:
    """Draw the pictures and write `gallery/`."""
    folder = atlas / "gallery"
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number in range(images):
        what = scene(number)
        identity = f"scene-{number:04d}"
        paint(what).save(folder / f"{identity}.webp", quality=80, method=2)
        entries.append(
            GalleryImage(
                id=identity,
                title=what.title,
                credit="Drawn for the tests & examples",
                licence="CC0 1.0",
                source=f"scene({number})",
                width=what.size[0],
                height=what.size[1],
            )
        )
    manifest = GalleryManifest(
        title="Drawn scenes",
        sha256=_sha256("gallery", images),
        images=entries,
        skipped=[SkippedImage(file="broken.jpg", reason="truncated")],
    )
    _write_json(folder / "manifest.json", manifest)
    return manifest


def _blob(what: Scene, grid: tuple[int, int], noise: np.random.Generator) -> NDArray[np.float16]:
    rows, columns = np.mgrid[0 : grid[0], 0 : grid[1]]
    distance = ((rows + 0.5) / grid[0] - what.y) ** 2 + ((columns + 0.5) / grid[1] - what.x) ** 2
    values = np.exp(-distance / 0.045) - 0.25 + 0.06 * noise.standard_normal(grid)
    return (0.01 * values).astype(np.float16)


def _effect(transform: TransformRecord, stands_out: bool) -> TransformEffect:
    ratio = 3.0 if stands_out else 0.9
    return TransformEffect(
        transform=transform.name,
        effect=ratio * transform.mean,
        low=0.8 * ratio * transform.mean,
        high=1.25 * ratio * transform.mean,
        ratio=ratio,
        ratio_low=0.8 * ratio,
        ratio_high=1.25 * ratio,
        stands_out=stands_out,
    )


def write_model(
    atlas: Path,
    gallery: GalleryManifest,
    name: str = "demo-clip",
    *,
    layers: int = 2,
    heads: int = 3,
    grid: tuple[int, int] = (8, 8),
    picks: int = 10,
    query_images: int = 6,
    image_heads: int = 12,
) -> ModelRecord:
    """Write one model's bundle, with all layers and invented but consistent numbers."""
    rng = np.random.default_rng(len(name) * 1000 + layers * 100 + heads)
    folder = atlas / name
    count = len(gallery.images)
    scenes = [scene(number) for number in range(count)]
    ids = [image.id for image in gallery.images]
    names = [(layer, head) for layer in range(layers) for head in range(heads)]
    maps: list[NDArray[np.float16]] = []

    def heat(number: int) -> HeatMap:
        maps.append(_blob(scenes[number], grid, rng))
        return HeatMap(image=ids[number], map=len(maps) - 1)

    # Coordinates that know shape, colour, ground and place, each head with weights of its own.
    facts = np.array(
        [
            [
                *(3.0 * (what.shape == shape) for shape in SHAPES),
                *(3.0 * (what.colour == colour) for colour in COLOURS),
                *(3.0 * (what.ground == ground) for ground in GROUNDS),
                6 * what.x,
                6 * what.y,
            ]
            for what in scenes
        ]
    )
    coordinates = np.stack(
        [(facts - facts.mean(0)) * rng.uniform(0, 1, facts.shape[1]) ** 3 for _ in names], axis=1
    ).astype(np.float32)
    unit = coordinates / np.linalg.norm(coordinates, axis=2, keepdims=True)
    nearest = min(8, count - 1)
    cosines = np.einsum("ihr,jhr->hij", unit, unit)
    cosines[:, np.arange(count), np.arange(count)] = -2
    order = np.argsort(-cosines, axis=2, kind="stable")[:, :, :nearest].astype(np.int32)
    scores = np.take_along_axis(cosines, order, axis=2).astype(np.float32)
    strength = 0.02 + 0.012 * rng.standard_normal((count, len(names)))
    mean = strength.mean(0)

    profile = ModelProfile(
        images=count,
        words=["boat", "house"],
        transforms=[
            TransformRecord(name=name, title=title, group=group, mean=mean)
            for name, title, group, mean in TRANSFORMS
        ],
        stands_out=2.0,
        reads=0.5,
    )
    summaries, properties = [], {}
    weights = rng.dirichlet(np.full(len(names), 0.5)) * 0.8
    for at, (layer, head) in enumerate(names):
        identity = f"L{layer}.H{head}"
        name_of, words = PROPERTIES[int(rng.integers(len(PROPERTIES)))]
        label = None if at % 5 == 1 else name_of
        if label is not None:
            properties.setdefault(label, []).append(identity)
        # Unsorted, as TEXTSPAN leaves them: a later pick can have the larger share.
        shares = rng.dirichlet(np.ones(picks)) * 0.7
        descriptions = []
        for rank in range(picks):
            own = rank % 3 != 2
            other, other_words = PROPERTIES[(at + rank) % len(PROPERTIES)]
            word = words[rank % len(words)] if own else other_words[rank % len(other_words)]
            best = rng.permutation(count)[:8]
            descriptions.append(
                DescriptionRecord(
                    text=f"An image of {word} <{rank + 1}>",
                    property=name_of if own else other,
                    share=float(shares[rank]),
                    matches_label=label is not None and own,
                    neighbours=[
                        Neighbour(image=ids[i], score=float(0.9 - 0.05 * place))
                        for place, i in enumerate(best)
                    ],
                    maps=[heat(int(i)) for i in best[:3]],
                )
            )
        excess = strength[:, at] - mean[at]
        strongest = np.argsort(-excess, kind="stable")[:12]
        record = HeadRecord(
            id=identity,
            layer=layer,
            head=head,
            label=Label(
                text=label,
                confidence=None if label is None else 0.62,
                reason="No property reaches a third of the weight."
                if label is None
                else f"{name_of} holds 62 % of the rank-weighted votes.",
            ),
            variance_share=float(weights[at]),
            mean_share=float(mean[at]),
            explained=float(shares.sum()),
            explained_by_random=0.25,
            explained_by_best=0.97,
            descriptions=descriptions,
            strongest=[
                ImageShare(image=ids[i], share=float(strength[i, at]), excess=float(excess[i]))
                for i in strongest
            ],
            # By numbers of its own, so that all others are what they were.
            attention=[_attention(np.random.default_rng(at), grid) for _ in strongest[:6]],
            image_neighbours=[
                ImageNeighbours(
                    image=ids[i],
                    neighbours=[
                        Neighbour(image=ids[j], score=float(s))
                        for j, s in zip(order[at, i], scores[at, i], strict=True)
                    ],
                )
                for i in strongest[:query_images]
            ],
            topics=[
                TopicMaps(
                    text=text,
                    property=topic_property,
                    maps=[heat((7 * k + n) % count) for n in range(3)],
                )
                for k, (text, topic_property) in enumerate(TOPICS)
            ],
            profile=HeadProfile(
                effects=[_effect(profile.transforms[k], at == k) for k in range(len(TRANSFORMS))],
                reading=WordReading(
                    towards=0.01,
                    deviations=0.9,
                    beyond=0.8 if at == 2 else 0.1,
                    beyond_low=0.6 if at == 2 else -0.1,
                    beyond_high=1.0 if at == 2 else 0.3,
                    reads=at == 2,
                ),
            ),
        )
        _write_json(folder / "heads" / f"{identity}.json", record)
        summaries.append(
            HeadSummary(
                id=identity,
                layer=layer,
                head=head,
                label=label,
                confidence=record.label.confidence,
                variance_share=record.variance_share,
                mean_share=record.mean_share,
                concept_consistency=concept_consistency(
                    label, [description.matches_label for description in descriptions]
                ),
                first_description=descriptions[0].text,
            )
        )
    terms = [Term(kind="input", mean_share=0.04, variance_share=0.01)]
    for layer in range(layers):
        of_layer = [s for s in summaries if s.layer == layer]
        terms += [
            Term(
                kind="attention",
                layer=layer,
                mean_share=sum(s.mean_share for s in of_layer),
                variance_share=sum(s.variance_share for s in of_layer),
            ),
            Term(kind="mlp", layer=layer, mean_share=0.1, variance_share=-0.01),
        ]
    model = ModelRecord(
        name=name,
        architecture=Architecture(
            layers=layers,
            heads=heads,
            d_head=32,
            width=32 * heads,
            embedding_dim=64,
            image_size=64,
            patch_size=64 // grid[0],
            grid=grid,
            quick_gelu=False,
            parameters=2_812_416,
        ),
        weights=Weights(
            source=name.partition("_")[2] or "model.safetensors", sha256=_sha256("weights", name)
        ),
        gallery_sha256=gallery.sha256,
        gallery_images=count,
        pool=DescriptionPool(name="general.csv", count=3498, properties=24, sha256=_sha256("pool")),
        layers=list(range(layers)),
        labeller=LabellerRecord(
            kind="majority", method="Rank-weighted majority of the descriptions' properties."
        ),
        scores=Scores(
            layers=list(range(max(0, layers - 4), layers)),
            heads=min(4, layers) * heads,
            unlabelled=sum(s.label is None for s in summaries if s.layer >= layers - 4),
            entanglement=Score(value=0.417, low=0.25, high=0.583, count=5),
            association=Score(value=0.5, low=0.333, high=0.667, count=6),
            consistency=heads_by_consistency(
                [s.concept_consistency for s in summaries if s.layer >= layers - 4]
            ),
        ),
        heads=summaries,
        terms=terms,
        reconstruction_error=3.1e-7,
        properties=[
            PropertyRecord(
                name=label,
                slug=label.lower(),
                heads=bearers,
                queries=[
                    PropertyQuery(
                        image=ids[i],
                        neighbours=[
                            Neighbour(image=ids[j], score=float(s))
                            for j, s in zip(order[0, i, :4], scores[0, i, :4], strict=True)
                        ],
                    )
                    for i in range(min(4, count))
                ],
            )
            for label, bearers in sorted(properties.items())
        ],
        contrasts=[
            ContrastRecord(
                slug="boat-house",
                first="boat",
                second="house",
                maps=[heat(i) for i in range(min(6, count))],
            )
        ],
        profile=profile,
        version="0.1.0",
    )
    _write_json(
        folder / "images.json",
        ImagesRecord(
            images={
                identity: [
                    HeadShare(
                        head=summaries[at].id,
                        share=float(strength[i, at]),
                        excess=float(strength[i, at] - mean[at]),
                    )
                    for at in np.argsort(-strength[i], kind="stable")[:image_heads]
                ]
                for i, identity in enumerate(ids)
            }
        ),
    )
    basis = np.zeros((len(names), 64, facts.shape[1]), dtype=np.float32)
    basis[:, : facts.shape[1], :] = np.eye(facts.shape[1], dtype=np.float32)
    save_file({"basis": basis}, folder / "basis.safetensors")
    save_file(
        {"coordinates": coordinates, "shares": strength.astype(np.float32)},
        folder / "coordinates.safetensors",
    )
    save_file({"images": order, "scores": scores}, folder / "neighbours.safetensors")
    save_file({"maps": np.stack(maps)}, folder / "heatmaps.safetensors")
    _write_json(folder / "model.json", model)
    return model


def write_bundle(
    atlas: Path,
    *,
    names: tuple[str, ...] = ("demo-clip",),
    images: int = 12,
    layers: int = 2,
    heads: int = 3,
    grid: tuple[int, int] = (8, 8),
) -> Path:
    """Write a gallery and a bundle for each name; returns the atlas folder."""
    gallery = write_gallery(atlas, images)
    for name in names:
        write_model(atlas, gallery, name, layers=layers, heads=heads, grid=grid)
    return atlas


def edit_json(path: Path, **changes: object) -> None:
    """Replace top-level fields of a JSON file, to make a bundle that something is wrong with."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")
