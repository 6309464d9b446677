"""Write the list of modules in architecture.md: the first line of what each says of itself.

python docs/list_modules.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("build/clipheads", "generator/headatlas")
START = "<!-- modules: written by docs/list_modules.py -->\n"
END = "<!-- end of modules -->\n"


def idea(module: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def listed() -> str:
    """All packages with their modules, as Markdown."""
    lines = []
    for package in PACKAGES:
        folders = {path.parent for path in (ROOT / package).rglob("*.py")}
        for folder in sorted(folders):
            name = folder.relative_to((ROOT / package).parent).as_posix()
            lines += [f"### `{name}/`", "", idea(folder / "__init__.py"), ""]
            modules = [path for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"]
            if modules:
                lines += ["| module | idea |", "| --- | --- |"]
                lines += [f"| `{path.stem}` | {idea(path)} |" for path in modules] + [""]
    return "\n".join(lines)


def with_modules(page: str) -> str:
    """The page with its list of modules as it is now."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{listed()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_modules(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
