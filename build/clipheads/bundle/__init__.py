"""The contract between build and generator: the files in `data/atlas/`, and nothing else.

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
    data/atlas/<model>/search/               files of the search page: search.json (SearchRecord),
                                             *.bin, texts.json, encoders; docs/search-format.md
    data/atlas/<model>/ground-truth.json     GroundTruthRecord; only for models of the demo world

Read by later stages of a build, and not by pages:

    data/atlas/stages.json, data/atlas/<model>/stages.json   FileList: the key of each finished
                                             stage and its files with their hashes
    data/atlas/.head-atlas.lock              held by the current run
    data/atlas/.head-atlas/, data/atlas/<model>/.head-atlas/   unfinished work
    data/atlas/<model>/statistics.safetensors   float64 moments: "mean" [heads, r], "covariance"
                                             [heads, r, r], "count", those of all terms
    data/atlas/<model>/descriptions.safetensors "embeddings" [texts of the pool, D]
    data/atlas/<model>/topics.safetensors    "embeddings" [texts of topics and contrasts, D]
    data/atlas/<model>/checkpoint.json       CheckpointRecord: the model, without its weights
    data/atlas/<model>/topics.json           TopicsRecord: the texts of topics and contrasts
    data/atlas/<model>/textspan.json         for each head its picks: index in the pool, share
    data/atlas/<model>/yardsticks.safetensors   "random" and "best" [heads]: share of variance that
                                             random texts and principal components explain
    data/atlas/<model>/labels.json           LabelsRecord: labels, matches, labeller
    data/atlas/<model>/attention.safetensors "weights" [heads, strongest images, tokens] of the
                                             class token's attention, its own first
    data/atlas/<model>/principal.safetensors "directions" and "variances" of the first principal
                                             directions of each head, and texts at their "poles";
                                             "effective_dimensions" and "text_shares" [heads]
    data/atlas/<model>/profile.json          ProfileRecord; absent if it was built without
    data/atlas/<model>/pool.json             PoolRecord: the texts with properties, the taxonomy

The second axis named `heads` follows the order of `ModelRecord.heads`; the axis `images`
follows the order of the gallery manifest. Nothing here imports torch or open_clip.
"""
