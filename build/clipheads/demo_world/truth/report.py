"""The ground truth as lines of text, for the command line."""

from collections.abc import Iterator

from clipheads.bundle.ground_truth import GroundTruthRecord


def report(record: GroundTruthRecord) -> Iterator[str]:
    """Yield all numbers of the record but intervals, hits of descriptions, and curves."""
    yield (
        f"{record.pairs} pairs of unseen scenes, one group exchanged at a time"
        f" ({record.passed_over} pairs skipped, in which some group could not be);"
        f" {record.changes} scenes for each attribute"
    )
    yield ""
    yield "total effects of groups; of the first one's attributes; (its first order)"
    for head in record.heads:
        first = head.groups[0]
        verdict = {True: "right", False: "wrong", None: ""}[head.right]
        yield (
            f"  {head.id:<7} {head.variance_share:6.1%} "
            + "  ".join(f"{effect.name} {effect.total:.2f}" for effect in head.groups)
            + "; "
            + ", ".join(f"{effect.name} {effect.total:.2f}" for effect in head.attributes)
            + f" ({first.first_order:.2f}); true: {head.property or 'mixed'};"
            f" label: {head.label or '–'} {verdict}".rstrip()
        )
    yield ""
    scored = ", ".join(f"L{layer}" for layer in record.scored_layers)
    yield f"labels of heads of {scored} with a true property"
    yield "  by              heads  labelled  right  variance  too narrow  chance  same elsewhere"
    for label in record.labels:
        chance = "–" if label.chance is None else f"{label.chance:.1f}"
        same = "–" if label.same_label is None else f"{label.same_label:.1%}"
        yield (
            f"  {label.method:<15} {label.heads:5} {label.labelled:9} {label.right:6}"
            f" {label.right_variance:9.1%} {label.too_narrow:11} {chance:>7}  {same:>14}"
        )
    stay = record.same_first_descriptions
    yield f"first three descriptions that are the same over other scenes: {stay:.1%}"
    yield ""
    yield "zero-shot       whole  heads alone  majority baseline"
    for row in record.zero_shot:
        yield (
            f"  {row.question:<12} {row.accuracy:6.1%} {row.heads_alone:12.1%} {row.chance:18.1%}"
        )
    yield ""
    yield "precision@8 of neighbours   heads  in these  whole embedding  chance"
    for near in record.neighbours:
        yield (
            f"  {near.attribute:<25} {near.heads:5} {near.precision:9.1%}"
            f" {near.whole_embedding:16.1%} {near.chance:7.1%}"
        )
    yield ""
    yield "heat maps                                     pixel accuracy   mIoU    mAP   maps"
    for heat_map in record.maps:
        yield (
            f"  {heat_map.kind:<8} {heat_map.map:<46} {heat_map.accuracy:6.1%}"
            f" {heat_map.miou:6.1%} {heat_map.mean_precision:6.1%} {heat_map.maps:6}"
        )
