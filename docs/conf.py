"""Sphinx: `make docs` builds the pages into build/docs."""
import logging
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
logging.getLogger('alignmix_mm').setLevel(logging.WARNING)
os.environ['TRITON_INTERPRET'] = '0'

project = 'alignmix_mm'
author = 'The alignmix_mm authors'
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon',
              'sphinx-mathjax-offline']
html_theme = 'furo'
html_title = 'alignmix_mm'
myst_enable_extensions = ['dollarmath', 'colon_fence']
myst_heading_anchors = 3
autodoc_default_options = {'show-inheritance': True}
autodoc_typehints = 'signature'
autodoc_member_order = 'bysource'
add_module_names = False
napoleon_google_docstring = True
napoleon_use_ivar = True
