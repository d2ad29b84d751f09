"""Sphinx: `make docs` builds the pages into build/docs."""
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

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


def setup(app: object) -> None:
    """Tell Sphinx which members to leave out."""
    app.connect('autodoc-skip-member', is_foreign)


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
