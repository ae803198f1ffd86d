"""Make the site of the documentation: the pages of docs/, with CONTRIBUTING and CHANGELOG, as HTML.

.venv/bin/python contrib/site/build.py [FOLDER]        (build/site)

Any warning fails it, such as that of a link to a page or heading that is not there. It fetches nothing; so does who
looks at the pages. What stands in the navigation, and under which heading, is what docs/index.md lists.
"""

import os
import re
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = ROOT / "build" / "site"
BESIDE = {"README.md": "install.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages that stand beside docs/ and go into the site with it, and what they are called there."""
LINK = re.compile(r"(\[[^\]\n]*\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")

sys.path.insert(0, str(ROOT))


def gather(source: Path) -> None:
    """Put all pages of the site into a folder, their links as they have to be there."""
    for page in [*(ROOT / "docs").rglob("*"), *(ROOT / name for name in BESIDE)]:
        if page.is_file():
            target = source / place(page)
            target.parent.mkdir(parents=True, exist_ok=True)
            if page.suffix != ".md":
                shutil.copyfile(page, target)
                continue
            text = LINK.sub(partial(_relinked, source, page), page.read_text("utf-8"))
            if page == ROOT / "docs" / "index.md":
                text = navigation(text)
            elif page.name == "README.md":
                text = (
                    "---\norphan: true\n---\n" + text
                )  # the first page of the site says the same in its own way
            target.write_text(text, "utf-8")


def place(path: Path) -> Path:
    """Tell where in the site a file of the project stands."""
    relative = path.relative_to(ROOT)
    if relative.parts[0] == "docs":
        return Path(*relative.parts[1:])
    return Path(BESIDE.get(str(relative), Path("files", relative)))


def _relinked(source: Path, page: Path, link: re.Match[str]) -> str:
    """Lead a link to where its target stands in the site; a file that is no page is put there to be taken."""
    target = (page.parent / link[2]).resolve()
    if not target.is_file():
        return link[0]  # the warning is Sphinx's
    there = place(target)
    if there.parts[0] == "files":
        (source / there).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target, source / there)
    return f"{link[1]}{os.path.relpath(there, place(page).parent)}{link[3]}"


def navigation(text: str) -> str:
    """Give the first page with a table of contents for each of its headings: the pages that are listed below it."""
    for heading, listed in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE):
        entries = re.findall(r"^- \[([^\]]+)\]\(([^)#]+)\.md\)", listed, re.MULTILINE)
        contents = "\n".join(f"{title} <{page}>" for title, page in entries)
        text += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{contents}\n```\n"
    return text


def make(source: Path, folder: Path) -> bool:
    """Make a site of what was gathered; tell whether there was nothing to warn of."""
    with tempfile.TemporaryDirectory() as temporary:
        built = Path(temporary) / "built"
        words = ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{temporary}/read", "-c", str(HERE)]
        if sphinx([*words, str(source), str(built)]):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(built, folder, ignore=shutil.ignore_patterns(".buildinfo*"))
    return True


def main() -> None:
    """Make the site anew."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary)
        gather(source)
        if not make(source, folder):
            sys.exit(1)
    print(f"see {folder / 'index.html'}")


if __name__ == "__main__":
    main()
