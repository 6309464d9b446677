"""How true the atlas of the demo CLIP is, measured on scenes.

    interventions ─► causes ──────────────┬─► head_truth ─► neighbour_truth, profile_truth
    observed_scenes ─► labelling_methods ─┼─► label_truth
                                          ├─► faithfulness_truth
                                          └─► map_truth

`ground_truth` puts them together and writes the record.
"""
