"""The site: `make docs` builds it, without a network."""

import os
import shutil
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS)]

from figures import gap_frames  # noqa: E402

import structsvm  # noqa: E402

# Every reader builds the same pictures, whether there are real data or not.
os.environ.pop("STRUCTSVM_DATA", None)

project = "structsvm"
author = "The structsvm developers"
release = version = structsvm.__version__
html_title = "structsvm"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "matplotlib.sphinxext.plot_directive",
    "mathml",
    "reference",
]
exclude_patterns = ["_build", "_static", "figures", "sg_execution_times.rst"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

default_role = "py:obj"
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections state the types
numpydoc_show_class_members = False
numpydoc_show_inherited_class_members = False

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the structsvm developers, BSD-3-Clause"

plot_basedir = str(DOCS)
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("svg", 100)]
plot_rcparams = {"figure.dpi": 100, "savefig.bbox": "tight", "font.size": 10}

# Examples write their pictures beside themselves: they run in a copy.
EXAMPLES = DOCS / "_build" / "examples"
shutil.rmtree(EXAMPLES, ignore_errors=True)
shutil.copytree(DOCS.parent / "examples", EXAMPLES, ignore=shutil.ignore_patterns("*.png"))
if not find_spec("torch"):
    for example in EXAMPLES.glob("*.py"):
        if "structsvm.torch" in example.read_text(encoding="utf-8"):
            example.unlink()
sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"plug_in_",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # a table whose script comes from elsewhere
    "remove_config_comments": True,
    "min_reported_time": 1,
    "doc_module": ("structsvm",),
    "backreferences_dir": "reference/generated/examples",
    "within_subsection_order": "FileNameSortKey",
    "thumbnail_size": (400, 280),
}
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

gap_frames.write(DOCS / "guide" / "_frames.html")
