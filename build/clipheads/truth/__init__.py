"""Measures of what is true, for images of which the truth is given.

    coordinates of paired interventions ─► sensitivity ─► what moves a head
    images + their attributes ──────► shared attribute
    coordinates + attributes ───────► precision@8 of neighbours
    heat maps + masks ──────────────► map scores
    contributions + descriptions ───► faithfulness
    effects of transforms + truth ──► profile agreement

Nothing here depends on the demo world; `demo_world/truth/` brings the two together.
"""
