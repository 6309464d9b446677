"""The contract between build and generator: what lies in `data/atlas/`, and nothing else.

    data/atlas/gallery/manifest.json, <id>.webp
    data/atlas/<model>/model.json            ModelRecord; written last
    data/atlas/<model>/heads/L11.H7.json     HeadRecord
    data/atlas/<model>/images.json           ImagesRecord
    data/atlas/<model>/basis.safetensors     "basis" [heads, D, r]
    data/atlas/<model>/coordinates.safetensors  "coordinates" [images, heads, r], "shares"
                                             [images, heads], "embeddings" [images, D]
    data/atlas/<model>/neighbours.safetensors   "images" [heads, images, k] int32, "scores" float32;
                                             k is 8, or all others in a smaller gallery
    data/atlas/<model>/heatmaps.safetensors  "maps" [maps, rows, columns] float16:
                                             tokens x <c of the patch, text>
    data/atlas/<model>/projections.onnx      text [n, D] -> queries [n, heads, r]
    data/atlas/<model>/search/               what a browser searches: search.json (SearchRecord),
                                             *.bin, texts.json, encoders; docs/search-format.md
    data/atlas/<model>/ground-truth.json     GroundTruthRecord; the demo world's models alone

What later stages of a build read, and pages do not:

    data/atlas/stages.json, data/atlas/<model>/stages.json   FileList: the key of each finished
                                             stage and its files with their hashes
    data/atlas/.head-atlas.lock              held by the run that is at work
    data/atlas/.head-atlas/, data/atlas/<model>/.head-atlas/   unfinished work
    data/atlas/<model>/statistics.safetensors   float64 moments: "mean" [heads, r], "covariance"
                                             [heads, r, r], "count", those of all terms
    data/atlas/<model>/descriptions.safetensors "embeddings" [texts of the pool, D]
    data/atlas/<model>/topics.safetensors    "embeddings" [texts of topics and contrasts, D]
    data/atlas/<model>/textspan.json         for each head its picks: index in the pool, share
    data/atlas/<model>/profile.json          ProfileRecord; absent if it was built without
    data/atlas/<model>/pool.json             PoolRecord: the texts with properties, the taxonomy

The second axis named `heads` follows the order of `ModelRecord.heads`; the axis `images`
follows the order of the gallery manifest. This module imports neither torch nor open_clip.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    model_validator,
)

FORMAT = 1
"""Version of the bundle; a generator refuses any other."""


RESERVED_NAMES = (
    "404.html",
    "assets",
    "compare",
    "gallery",
    "ground-truth",
    "index.html",
    "methods",
    "published-labels",
    "recomputing-table-1",
    "robots.txt",
    "schema",
    "search",
    "sitemap.xml",
    "stages.json",
)
"""What lies beside the models in an atlas or at the root of a site: no model can have one of
these names, in whatever case."""


def _known_format(value: object) -> object:
    if value != FORMAT:
        raise ValueError(f"bundle format {str(value)[:20]}, but this version reads format {FORMAT}")
    return value


Format = Annotated[Literal[1], BeforeValidator(_known_format)]

# Names become addresses and file names, so that a record of somebody else must not lead anywhere.
ModelName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$",
        max_length=200,
        description="Name of the model's folder and address",
    ),
]
_MODEL_NAME: TypeAdapter[str] = TypeAdapter(ModelName)
HeadId = Annotated[str, Field(pattern=r"^L(0|[1-9][0-9]{0,3})\.H(0|[1-9][0-9]{0,3})$")]
Slug = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=200,
        description="Stable name in URLs: lower-case letters, digits and hyphens",
    ),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SearchFileName = Annotated[
    str,
    Field(
        pattern=r"^(\.\./projections\.onnx|[A-Za-z0-9][A-Za-z0-9_-]*\.(bin|json|onnx))$",
        max_length=220,
        description="Path from the folder of search.json",
    ),
]
Count = Annotated[int, Field(ge=0)]
Index = Annotated[int, Field(ge=0)]
Pixels = Annotated[int, Field(gt=0, lt=100_000)]


def why_no_model_name(name: str) -> str | None:
    """Return why no model's folder can have this name; None if one can."""
    if name.lower() in RESERVED_NAMES:
        return "the atlas needs that address"
    try:
        _MODEL_NAME.validate_python(name)
    except ValidationError:
        return "its name becomes an address: letters from A to z, digits, and - _ . +"
    return None


Precision = Literal["fp32", "bf16", "fp16"]
"""The numbers in which a vision transformer multiplies matrices."""


class Record(BaseModel):
    """Base of all records: unknown fields are an error, numbers are finite, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _refuse_twice(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {kind} {name} is there twice")
        seen.add(name)


def _check_head(identity: str, layer: int, head: int) -> None:
    if identity != f"L{layer}.H{head}":
        raise ValueError(f"{identity} is called head {head} of layer {layer}")


class GalleryImage(Record):
    """One image of the gallery, as it is shown."""

    id: Slug
    title: str
    credit: str
    licence: str
    source: str = Field(description="Where it came from: a URL, a file name, or how it was drawn")
    width: Pixels = Field(description="Width in pixels of <id>.webp")
    height: Pixels = Field(description="Height in pixels of <id>.webp")


class SkippedImage(Record):
    """A file of the gallery folder that could not be read."""

    file: str
    reason: str


class GalleryManifest(Record):
    """`gallery/manifest.json`."""

    format: Format = 1
    title: str
    sha256: str = Field(description="Hash of all pixels and metadata")
    images: list[GalleryImage]
    skipped: list[SkippedImage] = []

    @model_validator(mode="after")
    def _every_image_once(self) -> Self:
        _refuse_twice("image", (image.id for image in self.images))
        return self


class Architecture(Record):
    """The vision transformer of a model."""

    layers: int = Field(gt=0, lt=10_000)
    heads: int = Field(gt=0, lt=10_000, description="Heads in each layer")
    d_head: int
    width: int = Field(description="Width of the residual stream")
    embedding_dim: int = Field(description="D, the dimension of the joint embedding")
    image_size: int = Field(description="Side of the square input in pixels")
    patch_size: int
    grid: tuple[Pixels, Pixels] = Field(description="Rows and columns of patches")
    quick_gelu: bool
    parameters: int = Field(description="Parameters of the vision tower")


class Weights(Record):
    """Which weights were used."""

    source: str = Field(description="open_clip tag, file name or local-dir name")
    sha256: str


class DescriptionPool(Record):
    """The texts that TEXTSPAN chose from."""

    name: str
    count: int
    properties: int
    sha256: str


class PoolText(Record):
    """A text that TEXTSPAN can pick, and the property that it speaks of, if known."""

    text: str
    property: str | None


class PoolRecord(Record):
    """`<model>/pool.json`: the rows of `descriptions.safetensors` and their taxonomy."""

    format: Literal[1] = 1
    texts: list[PoolText]
    parents: dict[str, str] = Field(
        description="The wider property of each property that has one, by its folded name"
    )


class PickRecord(Record):
    """A text that TEXTSPAN picked for a head."""

    index: int = Field(description="Its row in the pool", ge=0)
    share: float = Field(description="Share of the head's variance that it explains")


class TextSpanRecord(RootModel[dict[str, list[PickRecord]]]):
    """`<model>/textspan.json`: the picks of each head, in order, by its id."""


class Labeller(Record):
    """Who named the heads."""

    kind: Literal["explained", "majority", "openai", "imported"]
    method: str = Field(description="One sentence for the reader, with its settings")
    model: str | None = None
    prompt_version: str | None = None


LABELLED_BY = {
    "explained": "by what descriptions explain",
    "majority": "by a majority of descriptions’ properties",
    "openai": "by a language model",
    "imported": "by hand or elsewhere, read from a file",
}
"""How a head got its label, for each kind of labeller, in the words of a page."""


class Score(Record):
    """A share of heads with Wilson's 95 % interval, which takes heads for independent."""

    value: float
    low: float = Field(description="Lower bound of the interval")
    high: float = Field(description="Upper bound of the interval")
    count: int = Field(description="Heads that count towards the share")


class Scores(Record):
    """Entanglement and association (section 4 of the paper)."""

    layers: list[int]
    heads: int
    unlabelled: int
    entanglement: Score
    association: Score


class Term(Record):
    """One of the 2L + 1 terms of the residual stream."""

    kind: Literal["input", "attention", "mlp"]
    layer: int | None = None
    mean_share: float = Field(description="Mean over images of <c, f/|f|>; all terms sum to 1")
    variance_share: float = Field(
        description="tr Cov(c, f/|f|) / tr Var(f/|f|); all terms sum to 1; can be negative"
    )


class HeadSummary(Record):
    """A head as the model page shows it."""

    id: HeadId
    layer: Index
    head: Index
    label: str | None
    confidence: float | None = Field(description="Share of the labeller's weight; None if unknown")
    variance_share: float
    mean_share: float
    first_description: str

    @model_validator(mode="after")
    def _named_by_its_numbers(self) -> Self:
        _check_head(self.id, self.layer, self.head)
        return self


class Neighbour(Record):
    """An image and its cosine with what was asked."""

    image: Slug
    score: float


class PropertyQuery(Record):
    """Neighbours of one image within a property."""

    image: Slug
    neighbours: list[Neighbour]


class PropertyRecord(Record):
    """A property that labels at least one head, and neighbours by it."""

    name: str
    slug: Slug
    heads: list[HeadId] = Field(min_length=1)
    queries: list[PropertyQuery] = Field(description="Example images, top 4 neighbours each")


class HeatMap(Record):
    """A raw grid in `heatmaps.safetensors` over one image."""

    image: Slug
    map: Index = Field(description="Index into the tensor `maps`")


class ContrastRecord(Record):
    """First text minus second text, summed over all layers and heads of the bundle."""

    slug: Slug
    first: str
    second: str
    maps: list[HeatMap]


class TransformRecord(Record):
    """A change to pictures, and how far it moves the heads of a model."""

    name: str
    title: str = Field(description="What is done, as in: removing colour")
    group: str = Field(description="What it changes: colour, light, detail, layout, words")
    mean: float = Field(description="Mean over the heads of E‖Δy‖² / (2 Var y)")


class ModelProfile(Record):
    """What moves the heads of a model, over all of them."""

    images: int = Field(description="Size of the sample, evenly spread over the gallery")
    words: list[str] = Field(description="The printed words; images take turns")
    transforms: list[TransformRecord]
    stands_out: float = Field(description="A head stands out whose ratio_low lies above this")
    reads: float = Field(description="A head reads whose beyond_low lies above this")


class ModelRecord(Record):
    """`<model>/model.json`."""

    format: Format = 1
    name: ModelName
    architecture: Architecture
    weights: Weights
    gallery_sha256: str
    gallery_images: int
    pool: DescriptionPool
    layers: list[Index] = Field(description="Layers whose heads are in this bundle")
    labeller: Labeller
    scores: Scores
    heads: list[HeadSummary]
    terms: list[Term]
    reconstruction_error: float = Field(
        description="Largest |sum of contributions - unit embedding| over images and coordinates"
    )
    precision: Precision = "fp32"
    precision_error: float = Field(
        0.0, description="Largest |embedding - embedding in fp32| of the first 32 images; 0 in fp32"
    )
    properties: list[PropertyRecord]
    contrasts: list[ContrastRecord]
    profile: ModelProfile | None = Field(None, description="None if built with --profile none")
    version: str = Field(description="Version of clip-head-atlas that built it")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _refuse_twice("head", (head.id for head in self.heads))
        _refuse_twice("property", (one.slug for one in self.properties))
        _refuse_twice("contrast", (one.slug for one in self.contrasts))
        _refuse_twice("term", (f"{term.kind} {term.layer}" for term in self.terms))
        shape = self.architecture
        if not self.heads or sorted({head.layer for head in self.heads}) != sorted(self.layers):
            raise ValueError("its heads are not those of its layers")
        for head in self.heads:
            if head.layer >= shape.layers or head.head >= shape.heads:
                raise ValueError(f"{shape.layers} layers of {shape.heads} heads have no {head.id}")
        wanted = {("input", None)} | {
            (kind, layer) for kind in ("attention", "mlp") for layer in range(shape.layers)
        }
        if {(term.kind, term.layer) for term in self.terms} != wanted:
            raise ValueError(f"its terms are not the {len(wanted)} of {shape.layers} layers")
        return self


class DescriptionRecord(Record):
    """One TEXTSPAN pick."""

    text: str
    property: str | None = Field(description="The pool's property; None for a bare text list")
    share: float = Field(description="Share of the head's variance that this pick explains")
    matches_label: bool
    neighbours: list[Neighbour] = Field(description="Top 8 images of the gallery")
    maps: list[HeatMap]


class Strength(Record):
    """How much of an image's embedding a head makes."""

    image: Slug
    share: float = Field(description="<c, f/|f|>; over all terms it sums to 1")
    excess: float = Field(description="share minus the head's mean share over the gallery")


class ImageNeighbours(Record):
    """Neighbours of one image in one head: cosine of contributions."""

    image: Slug
    neighbours: list[Neighbour]


class TopicMaps(Record):
    """Heat maps of one topic text in one head."""

    text: str
    property: str | None
    maps: list[HeatMap]


class NoiseFloor(Record):
    """Whether the texts of a property explain a head better than as many of those beside it."""

    texts: int = Field(description="In each set, of the property and of those beside it")
    explained: float = Field(
        description="Share of the head's variance that a set of the property explains, on average"
    )
    floor: float = Field(description="95th percentile of it over sets of the properties beside it")
    clear: bool = Field(description="Whether it is clearly more")


class Label(Record):
    """What a labeller calls a head; `ModelRecord.labeller` says how it came to it."""

    text: str | None
    confidence: float | None = Field(
        description="Share of what the descriptions explain that speaks of the label (explained),"
        " of the rank weight (majority); None if the labeller gives none"
    )
    runner_up: str | None = Field(
        default=None, description="The next property; without a label the one that came nearest"
    )
    runner_up_confidence: float | None = Field(
        default=None, description="As `confidence`, of that one"
    )
    noise: NoiseFloor | None = Field(default=None, description="None if the labeller measures none")
    reason: str = Field(description="Why this label, or why none")


class TransformEffect(Record):
    """How far a transform moves a head; intervals hold 95% of bootstrap samples of images."""

    transform: str
    effect: float = Field(description="E‖Δy‖² / (2 Var y): 0 nothing, 1 like another picture")
    low: float
    high: float
    ratio: float = Field(description="effect divided by its mean over the heads")
    ratio_low: float
    ratio_high: float
    stands_out: bool = Field(description="Moved clearly more than the mean head")


class WordReading(Record):
    """How far a printed word moves a head's contribution towards the word's own text."""

    towards: float = Field(description="Mean of <Δc, text of the word>")
    deviations: float = Field(description="The same in standard deviations of <c, text>")
    beyond: float = Field(
        description="By how many of them further than towards the texts of the other words"
    )
    beyond_low: float
    beyond_high: float
    reads: bool = Field(description="Clearly follows the word")


class HeadProfile(Record):
    """What moves a head, by transforms of the pictures."""

    effects: list[TransformEffect] = Field(description="In the order of ModelProfile.transforms")
    reading: WordReading


class ProfileRecord(Record):
    """`<model>/profile.json`."""

    format: Literal[1] = 1
    model: ModelProfile
    heads: dict[str, HeadProfile]


class HeadRecord(Record):
    """`<model>/heads/L11.H7.json`."""

    format: Format = 1
    id: HeadId
    layer: Index
    head: Index
    label: Label
    variance_share: float
    mean_share: float
    explained: float = Field(description="Share of the head's variance that all picks explain")
    explained_by_random: float = Field(
        description="Share that as many texts drawn at random from the pool explain, on average"
    )
    explained_by_best: float = Field(
        description="Share that the first as many principal directions explain"
    )
    descriptions: list[DescriptionRecord]
    strongest: list[Strength]
    image_neighbours: list[ImageNeighbours]
    topics: list[TopicMaps]
    profile: HeadProfile | None = Field(None, description="None if built with --profile none")

    @model_validator(mode="after")
    def _named_by_its_numbers(self) -> Self:
        _check_head(self.id, self.layer, self.head)
        return self


class HeadStrength(Record):
    """How much of one image's embedding a head makes."""

    head: HeadId
    share: float
    excess: float


class ImagesRecord(Record):
    """`<model>/images.json`: for each gallery image the heads that contribute most."""

    format: Format = 1
    images: dict[Slug, list[HeadStrength]]


class SearchFile(Record):
    """A file that the search page loads."""

    name: SearchFileName
    bytes: Count
    sha256: Sha256


class Preprocessing(Record):
    """From a picture to pixels, as open_clip does it; the values have its names."""

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    resize_mode: str
    fill_color: int


class Tokenizer(Record):
    """From a text to token ids."""

    kind: Literal["clip-bpe"] = "clip-bpe"
    vocabulary_size: int
    start_token: int
    end_token: int
    context_length: int = Field(description="At most so many tokens, start and end included")


Storage = Literal["int8", "mixed", "fp16", "fp32"]
"""The numbers in which weights are stored; computed is in float32. Mixed: attention in fp16, the
rest in int8."""


class Fidelity(Record):
    """How close an exported model comes to torch, measured on the gallery and the texts."""

    storage: Storage
    measured_on: int = Field(description="Queries, texts or images")
    cosine_error: float = Field(description="Largest error of a cosine")
    same_top_8: float = Field(description="Share of queries with the same 8 nearest images")
    vector_error: float = Field(
        description="Largest 1 - cosine between a vector of the exported model and torch's"
    )


SEARCH_FILES = (
    "projections",
    "coordinates",
    "basis",
    "image_embeddings",
    "texts",
    "text_embeddings",
)
"""Keys that `SearchRecord.files` always has."""


class SearchProperty(Record):
    """A property by which images can be compared."""

    name: str
    slug: Slug
    heads: list[HeadId]
    file: str = Field(description="Its key in `SearchRecord.files`")


class SearchRecord(Record):
    """`<model>/search/search.json`; written last. The files are in docs/search-format.md."""

    format: Literal[2] = 2
    model: ModelName
    gallery_sha256: str
    images: int = Field(description="Those of the gallery's manifest, in its order")
    texts: int = Field(description="Rows of texts.json")
    heads: list[HeadId] = Field(description="Ids in the order of every axis `heads`")
    rank: int = Field(description="r, the coordinates of a contribution")
    dimension: int = Field(description="D, of the joint embedding")
    grid: tuple[Pixels, Pixels] = Field(description="Rows and columns of patches")
    preprocessing: Preprocessing
    tokenizer: Tokenizer | None = Field(description="None if it is not CLIP's own")
    properties: list[SearchProperty]
    files: dict[str, SearchFile]
    projections: Fidelity
    text_encoder: Fidelity | None = Field(description="None if it was not exported")
    image_encoder: Fidelity | None = Field(description="None if it was not exported")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _refuse_twice("head", self.heads)
        wanted = {*SEARCH_FILES, *(each.file for each in self.properties)}
        wanted |= {key for key in ("text_encoder", "image_encoder") if getattr(self, key)}
        if missing := wanted - set(self.files):
            raise ValueError(f"files has no {min(missing)}")
        if missing := {head for each in self.properties for head in each.heads} - set(self.heads):
            raise ValueError(f"a property names the head {min(missing)}, which heads has not")
        return self


CAUSAL_GROUPS = ("object", "background", "style", "layout")
"""The groups of what a scene of the demo world shows, of which each head has an effect."""


class CausalEffect(Record):
    """How far changing one thing of a scene, and nothing else, moves a head."""

    name: str = Field(description="A group of what a scene shows, or an attribute within one")
    total: float = Field(
        description="E|y(changed) - y|^2 / (2 Var y): 1 is as far as another scene would"
    )
    low: float = Field(description="2.5th percentile by bootstrap over the pairs of scenes")
    high: float = Field(description="97.5th percentile")
    first_order: float | None = Field(
        default=None,
        description="What it causes without the others' part in it; None for an attribute",
    )


class HeadTruth(Record):
    """What moves a head, beside its label."""

    id: HeadId
    variance_share: float
    groups: list[CausalEffect] = Field(description="Of all groups, the largest total first")
    attributes: list[CausalEffect] = Field(description="Of the first group, the largest first")
    property: str | None = Field(
        description="What leads, as the pool's taxonomy calls it; None for a mixed head"
    )
    label: str | None = Field(description="Of the bundle's labeller")
    right: bool | None = Field(
        description="The label is the true property or a wider one; None where either is missing"
    )
    hits: list[int | None] = Field(
        description="For each description, how many of its images show it; None if no single scene"
        " can tell"
    )
    neighbours: str = Field(description="The attribute in which neighbours are compared")
    neighbour_precision: float = Field(
        description="Share of the 8 nearest scenes, by cosine in this head, with the same value"
    )

    @model_validator(mode="after")
    def _every_group_once(self) -> Self:
        if sorted(effect.name for effect in self.groups) != sorted(CAUSAL_GROUPS):
            raise ValueError(f"{self.id} has not one effect of each group")
        return self


class LabelTruth(Record):
    """How many labels of one method are right, over heads of the scored layers with a cause."""

    method: str = Field(pattern=r"^(published|explained|majority|count|neighbours|top images)$")
    heads: int = Field(description="Heads of the scored layers with a true property")
    labelled: int = Field(description="Of these, with a label")
    right: int = Field(description="Labels that are the true property or a wider one")
    right_variance: float = Field(description="Share of these heads' variance in rightly labelled")
    too_narrow: int = Field(description="Labels below the true property, or beside it in its group")
    chance: float | None = Field(
        description="Expected number of right ones when the same labels are dealt at random"
    )
    same_label: float | None = Field(
        default=None,
        description="Share of heads with the same label, or none, over another gallery",
    )


class ModelLabelTruth(Record):
    """The methods of labelling on one demo CLIP."""

    model: str
    recipe: str = Field(description="How the model was made")
    chosen_on: bool = Field(description="Whether the default labeller was chosen by this model")
    labels: list[LabelTruth]


class LabellerComparison(Record):
    """`data/demo/labellers.json`: the methods on the model of the choice, and on others."""

    format: Format = 1
    models: list[ModelLabelTruth]


class PropertyPrecision(Record):
    """Neighbours at 8 in the heads that an attribute moves most of its group."""

    attribute: str
    heads: int
    precision: float
    whole_embedding: float
    chance: float


class MapTruth(Record):
    """Heat maps of one kind against the masks of the objects that they should find."""

    kind: Literal["topic", "contrast"]
    map: str = Field(description="What drew the map, in words")
    accuracy: float
    miou: float
    mean_precision: float
    maps: int


class Curve(Record):
    """Accuracy as something is taken away."""

    name: str
    values: list[float]


class Faithfulness(Record):
    """Zero-shot accuracy after replacing what heads write."""

    by_descriptions: list[Curve] = Field(description="k = 1, 2, … descriptions for each head")
    by_random_texts: list[Curve] = Field(description="The same with texts drawn at random")
    untouched: list[Curve] = Field(description="One value each: all heads as they are")
    by_ablation: list[Curve] = Field(description="0, 1, 2, … heads replaced by their mean")
    ablated: list[str] = Field(description="The heads, from the least to the most important")

    @model_validator(mode="after")
    def _every_question_in_each(self) -> Self:
        questions = [curve.name for curve in self.untouched]
        for curves in (self.by_descriptions, self.by_random_texts, self.by_ablation):
            if [curve.name for curve in curves] != questions or not questions:
                raise ValueError("the curves are not of the same questions")
        for curves in ([*self.by_descriptions, *self.by_random_texts], self.by_ablation):
            if len({len(curve.values) for curve in curves}) != 1 or not curves[0].values:
                raise ValueError("the curves of a kind are not of one length")
        if any(len(curve.values) != 1 for curve in self.untouched):
            raise ValueError("the curves of untouched heads are not one value each")
        return self


class ZeroShot(Record):
    """Zero-shot accuracy of a question about unseen scenes."""

    question: str
    accuracy: float
    heads_alone: float = Field(description="All but the last four layers' heads at their mean")
    chance: float = Field(description="Accuracy of always giving the commonest answer")


class ProfileAgreement(Record):
    """How well transforms of pictures find the heads of one true property."""

    property: str
    heads: int = Field(description="Heads with this true property")
    auc: dict[str, float] = Field(
        description="By transform: how often it moves one of these heads more than another head"
    )
    chance: float = Field(description="As many heads drawn at random exceed this in 2.5% of draws")


class ProfileCorrelation(Record):
    """How transforms of pictures go along with one factor of the scene, over the heads."""

    factor: str
    correlations: dict[str, float] = Field(
        description="By transform: Spearman's correlation of its effect with the factor's"
    )
    chance: float = Field(description="Of unrelated values 95% lie within plus or minus this")


class GroundTruthRecord(Record):
    """`<model>/ground-truth.json`: what is true of a model of the demo world."""

    format: Format = 1
    weights_sha256: Sha256
    gallery_sha256: Sha256
    pairs: Count = Field(description="Pairs of scenes whose groups are exchanged")
    passed_over: Count = Field(description="Pairs of which some group could not be exchanged")
    changes: Count = Field(description="Scenes of which an attribute is changed, for each")
    reference_scenes: Count = Field(description="Other scenes, on which importance is judged")
    lead: float = Field(
        description="An effect leads if it is so many times the second in 97.5% of the resamples"
    )
    zero_shot: list[ZeroShot]
    heads: list[HeadTruth]
    scored_layers: list[int]
    labels: list[LabelTruth] = Field(
        min_length=1, description="The first is of the labels that the pages bear"
    )
    same_first_descriptions: float = Field(
        description="Share of the first three descriptions that stay over another gallery"
    )
    neighbours: list[PropertyPrecision]
    maps: list[MapTruth]
    faithfulness: Faithfulness
    agreement: list[ProfileAgreement] = Field(
        description="Whether the profile finds the heads of each group; empty without a profile"
    )
    correlations: list[ProfileCorrelation] = Field(
        description="Of the profile with the effects of the groups; empty without a profile"
    )

    @model_validator(mode="after")
    def _every_question_asked(self) -> Self:
        asked = {row.question for row in self.zero_shot}
        if missing := {curve.name for curve in self.faithfulness.untouched} - asked:
            raise ValueError(f"zero_shot has no question {min(missing)}")
        return self
