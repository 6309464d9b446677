"""What shuts out readers of a page, by the rules of axe-core."""

ACCEPTED = {"focus-order-semantics"}
"""An experimental rule; a formula that scrolls must be reachable by keyboard."""

TAGS = [
    *(f"wcag{version}{level}" for version in ("2", "21", "22") for level in ("a", "aa")),
    "best-practice",
    "experimental",
]


def violations(page, axe):
    """The rules that a page breaks, each with the first elements that do; `axe` is the script."""
    page.evaluate(axe)
    found = page.evaluate(
        """async (tags) => (await axe.run(document, {
            resultTypes: ['violations'],
            runOnly: { type: 'tag', values: tags },
            rules: { 'target-size': { enabled: true },
                     'identical-links-same-purpose': { enabled: true } },
        })).violations.map((one) => [one.id, one.nodes.slice(0, 3).map((n) => n.target.join(' '))])
        """,
        TAGS,
    )
    return [one for one in found if one[0] not in ACCEPTED]
