"""Sphinx: `make docs` builds the pages into build/docs."""
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from numpy.typing import ArrayLike
from pygments.formatters import HtmlFormatter
from sphinx.ext import autosummary
from sphinx.highlighting import PygmentsBridge
from sphinx.util.typing import stringify_annotation

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
logging.getLogger('alignmix_mm').setLevel(logging.WARNING)
os.environ['TRITON_INTERPRET'] = '0'


def repository() -> str:
    """The web address that this checkout was cloned from.

    Returns:
        str: '' if a browser cannot open it.
    """
    try:
        address = subprocess.run(
            ['git', 'remote', 'get-url', 'origin'], cwd=ROOT, text=True,
            capture_output=True).stdout.strip()
    except FileNotFoundError:  # no git
        return ''
    address = re.sub(r'^(?:ssh://)?git@([^:/]+)[:/]', r'https://\1/', address)
    # drop the user name and password
    address = re.sub(r'^(https?://)[^@/]*@', r'\1', address)
    return address.removesuffix('.git') if address.startswith('http') else ''


def is_foreign(app: object, kind: str, name: str, member: object, skip: bool,
               options: object) -> bool | None:
    """Leave out members inherited from torch and MMEngine."""
    owner = getattr(getattr(member, 'fget', member), '__module__', None)
    return None if str(owner).startswith('alignmix_mm') else True


def name_arrays(app: object, kind: str, name: str, member: object,
                options: object, signature: str | None,
                returns: str | None) -> tuple[str | None, str | None]:
    """Write ``ArrayLike`` instead of the types that it stands for."""
    types = stringify_annotation(ArrayLike, 'smart')
    beside_str = types.replace(' | str', '', 1)  # as in str | ArrayLike
    for long in (types, beside_str):
        signature = signature and signature.replace(long, 'ArrayLike')
    return signature, returns


class Lines(HtmlFormatter):
    """Code whose long lines continue indented, and never after ``--``."""

    def _format_lines(self, tokens: Iterable) -> Iterator[tuple[int, str]]:
        for kind, line in super()._format_lines(tokens):
            line = re.sub(r'(?<![\w-])--[a-z][\w-]*',
                          r'<span class="option">\g<0></span>', line)
            yield kind, f'<span class="line">{line}</span>'


def show_configs(app: object, page: str, source: list[str]) -> None:
    """The list of configs is a page, and links to it lead there."""
    if page == 'all_configs':
        text = (ROOT / 'configs' / 'README.md').read_text()
        text = re.sub(r'\]\((?=[\w/]+\.py\))', '](../configs/', text)
        source[0] = text.replace('](../docs/', '](')
    else:
        source[0] = source[0].replace('](../configs/README.md)',
                                      '](all_configs.md)')


def keep_together(app: object, page: str, source: list[str]) -> None:
    """Percent signs and errors stay in one line with their numbers."""
    source[0] = re.sub(r'(?<=\d) (?=%)|(?<=±) ', '\N{NO-BREAK SPACE}',
                       source[0])


def finish(app: object, page: str, template: str, context: dict,
           doctree: object) -> None:
    """A click opens a picture in full size; short words of code stay whole."""
    body = context.get('body', '')
    body = re.sub(r'<img [^>]*src="([^"]+)"[^>]*>',
                  r'<a href="\1">\g<0></a>', body)
    context['body'] = re.sub(r'<span class="pre">(?=[^<]{1,24}<)',
                             '<span class="pre option">', body)


def setup(app: object) -> None:
    """Tell Sphinx what to leave out and how to write code and pictures."""
    app.connect('autodoc-skip-member', is_foreign)
    app.connect('autodoc-process-signature', name_arrays)
    app.connect('source-read', show_configs)
    app.connect('source-read', keep_together)
    app.connect('html-page-context', finish)
    PygmentsBridge.html_formatter = Lines
    # a summary does not end there
    autosummary.WELL_KNOWN_ABBREVIATIONS += ('eq.', 'eqs.')


project = 'alignmix_mm'
author = 'The alignmix_mm authors'
copyright = f'2026, {author}'
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.autosummary',
              'sphinx.ext.napoleon', 'sphinx-mathjax-offline',
              'sphinx_copybutton', 'sphinx_design']
templates_path = ['_templates']
html_static_path = ['_static']
html_css_files = ['site.css']
html_theme = 'furo'
html_title = 'alignmix_mm'
html_theme_options = {'source_repository': repository(),
                      'source_branch': 'main', 'source_directory': 'docs/',
                      } if repository() else {}
myst_enable_extensions = ['attrs_block', 'colon_fence', 'dollarmath']
myst_heading_anchors = 3
autosummary_generate = True
autodoc_default_options = {'show-inheritance': True}
autodoc_typehints = 'signature'
autodoc_member_order = 'bysource'
add_module_names = False
napoleon_google_docstring = True
napoleon_use_ivar = True
