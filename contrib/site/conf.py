"""How Sphinx makes the site of the documentation; contrib/site/build.py calls it."""

from archiver import __version__

project = author = "archiver"
copyright = "the authors of archiver, MIT licence"
release = version = __version__
extensions = ["myst_parser"]
highlight_language = "none"  # of blocks that do not say theirs: what is typed, and what is shown
smartquotes = False  # what is typed has two hyphens and straight quotes
myst_heading_anchors = 4  # the anchors that viewers of Markdown make of headings
html_title = f"archiver {__version__}"
html_theme = "sphinx_book_theme"
html_theme_options = {
    "logo": {"text": html_title},
    "navbar_persistent": [],  # the search stands in the sidebar already
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_domain_indices = False
html_use_index = False
