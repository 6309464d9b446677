"""The ground truth as lines of text, for the command line."""

from collections.abc import Iterator

from clipheads.bundle import GroundTruthRecord


def report(record: GroundTruthRecord) -> Iterator[str]:
    """Say every number of the record but those of single heads and curves."""
    yield f"{record.asked_scenes} unseen scenes, {record.known_scenes} known ones"
    yield ""
    yield "zero-shot accuracy, and by the heads of the last four layers alone"
    for row in record.zero_shot:
        yield f"  {row.question:<10} {row.accuracy:6.1%} {row.heads_alone:6.1%}"
    yield ""
    yield (
        f"{record.separating_share:.1%} of the last four layers' variance lies in heads with a gain"
        f" of 0.3: {', '.join(record.separated_properties)}"
    )
    yield ""
    yield "labels by            labelled  agree   hold  different  chance  same on other scenes"
    for one in record.labels:
        chance = "–" if one.chance is None else f"{one.chance:.1%}"
        same = "–" if one.same_label is None else f"{one.same_label:.1%}"
        yield (
            f"  {one.method:<18} {one.labelled:8} {one.agree:6} {one.hold:6} {one.properties:10}"
            f" {chance:>7}  {same}"
        )
    stay = record.same_first_descriptions
    yield f"first three descriptions that stay over other scenes: {stay:.1%}"
    yield ""
    yield "neighbours at 8                heads  precision  whole  chance"
    for near in record.neighbours:
        yield (
            f"  {near.property:<28} {near.heads:5} {near.precision:10.1%}"
            f" {near.whole_embedding:6.1%} {near.chance:7.1%}"
        )
    yield ""
    yield "heat maps                                     pixel accuracy   mIoU    mAP   maps"
    for one_map in record.maps:
        yield (
            f"  {one_map.kind:<8} {one_map.map:<46} {one_map.accuracy:6.1%}"
            f" {one_map.miou:6.1%} {one_map.mean_precision:6.1%} {one_map.maps:6}"
        )
