"""ATLAS: the stages of a build, in order.

    gallery ─► contributions ─┬─► projections, encoders ─────────────────────┐
                              ├─► neighbours, attention ──┐                  │
                              ├─► profile ────────────────┤                  │
    descriptions ─┬───────────┼─► spread, ablation ───────┤                  │
                  └───────────┼─► directions ─────────────┤                  │
                              └─► textspan ─┬─► heat maps ┼─► records        │
    pool, topics ───────────────────────────┼─► relatives ┤                  │
                                            └─► labels ───┴─► answers        └─► search

What the stages after the labels read is all in the bundle, so `head-atlas label` runs them
without the model, the images or a GPU. To add an analysis, put its stage among `ANALYSES`.
"""

from clipheads.stages.ablation import ablation
from clipheads.stages.answers import answers
from clipheads.stages.attention import attention
from clipheads.stages.checkpoint import checkpoint
from clipheads.stages.contributions import contributions
from clipheads.stages.directions import directions
from clipheads.stages.encoders import image_encoder, text_encoder
from clipheads.stages.engine import Graph
from clipheads.stages.gallery import gallery
from clipheads.stages.heat_maps import heat_maps
from clipheads.stages.labels import labels
from clipheads.stages.map_noise import map_noise
from clipheads.stages.neighbours import neighbours
from clipheads.stages.profile import profile
from clipheads.stages.projections import projections
from clipheads.stages.records import records_stage
from clipheads.stages.relatives import relatives
from clipheads.stages.search import search
from clipheads.stages.spread import spread
from clipheads.stages.text_span import textspan
from clipheads.stages.texts import descriptions, pool, topics

ANALYSES = (
    contributions,
    textspan,
    neighbours,
    heat_maps,
    map_noise,
    attention,
    profile,
    ablation,
    relatives,
    spread,
    directions,
)
"""Those that show something of each head."""

ATLAS: Graph = (
    gallery,
    checkpoint,
    pool,
    descriptions,
    topics,
    *ANALYSES,
    projections,
    text_encoder,
    image_encoder,
    # Together, because no reader may see labels of one run and a search of another.
    (labels, answers, search, records_stage((*ANALYSES, labels, answers))),
)
