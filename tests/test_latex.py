"""Citations go through LaTeX as readers run it: natbib, biblatex, and neither of them."""

import shutil
import subprocess

import pytest

from headatlas import urls
from headatlas.citation_formats import bibitem, bibtex
from headatlas.citations import METHOD, Reference
from headatlas.urls import Urls

LABELS = ("50% of ~a_b^c & $d #e", r"{braces} \and <signs> | more", "naïve café")
CITED = [
    Reference(f"head L11.H{number} ({label}) of ViT-B-32_openai", "weights sha256:ab_12").at(
        urls.head("ViT-B-32_openai", f"L11.H{number}"),
        Urls("https://example.org/an%20atlas/", doi="10.5281/zenodo.1234"),
    )
    for number, label in enumerate(LABELS)
]
NATBIB = (
    r"\usepackage{natbib}\usepackage{hyperref}",
    r"\bibliographystyle{plainnat}\bibliography{heads}",
)
BIBLATEX = (
    r"\usepackage[style=authoryear,backend=biber]{biblatex}\usepackage{hyperref}"
    r"\addbibresource{heads.bib}",
    r"\printbibliography",
)


def typeset(folder, preamble, body, *bibliography):
    """The text of the PDF, without white space; any error of LaTeX fails."""
    keys = ",".join([*(cited.entry.key for cited in CITED), METHOD.key])
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage[utf8]{inputenc}"
        # So wide that no word is divided, and with the characters of each glyph.
        "\\paperwidth=50in\\pdfpagewidth=50in\\textwidth=48in"
        "\\input glyphtounicode\\pdfgentounicode=1 "
        f"{preamble}\\begin{{document}}\\cite{{{keys}}}\n{body}\n\\end{{document}}",
        encoding="utf-8",
    )
    entries = [*(cited.entry for cited in CITED), METHOD]
    (folder / "heads.bib").write_text("\n\n".join(map(bibtex, entries)), encoding="utf-8")
    latex = ("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper")
    steps = [latex, *([[*bibliography, "paper"]] if bibliography else []), latex, latex]
    for step in steps:
        run = subprocess.run(step, cwd=folder, capture_output=True, check=False)
        said = run.stdout.decode("utf-8", "replace")
        assert run.returncode == 0, said[-2000:]
    log = (folder / "paper.log").read_text(encoding="latin-1")
    assert "undefined" not in log
    text = subprocess.run(
        ["pdftotext", "paper.pdf", "-"], cwd=folder, capture_output=True, check=True
    )
    return "".join(text.stdout.decode().split())


@pytest.mark.parametrize(
    ("preamble", "body", "bibliography"),
    [(*NATBIB, "bibtex"), (*BIBLATEX, "biber"), (r"\usepackage{url}", None, None)],
    ids=["natbib", "biblatex", "bibitem"],
)
def test_three_heads_are_printed_as_they_are_named(tmp_path, preamble, body, bibliography):
    programs = ["pdflatex", "pdftotext", *([bibliography] if bibliography else [])]
    if missing := [name for name in programs if not shutil.which(name)]:
        pytest.skip(f"no {missing[0]} here")
    if body is None:
        items = [bibitem(entry) for entry in (*(cited.entry for cited in CITED), METHOD)]
        body = "\\begin{thebibliography}{9}\n" + "\n".join(items) + "\n\\end{thebibliography}"
    text = typeset(tmp_path, preamble, body, *([bibliography] if bibliography else []))
    for number, label in enumerate(LABELS):
        assert f"HeadL11.H{number}({''.join(label.split())})ofViT-B-32_openai" in text
        assert f"https://example.org/an%20atlas/ViT-B-32_openai/L11.H{number}/" in text
    if bibliography != "bibtex":  # plainnat.bst leaves out the DOI of a @misc
        assert "10.5281/zenodo.1234" in text
    assert "Text-BasedDecomposition" in text
