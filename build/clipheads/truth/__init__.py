"""Measures of what is true, for images of which the truth is known.

    coordinates of paired interventions ─► sensitivity ─► what moves a head
    images + known attributes ─────► shared attribute
    coordinates + known attributes ─► precision of neighbours
    heat maps + known masks ────────► map scores
    contributions + descriptions ───► faithfulness
    effects of transforms + truth ──► profile agreement

Nothing here knows the demo world; `demo_world/ground_truth.py` brings the two together.
"""
