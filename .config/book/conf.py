"""Sphinx's configuration of the book that `npm run html` builds.

The sources are a copy of the notebooks and the documents in .cache/book/source, prepared by
src/support/cli/html.ts. Formulas become MathML by temml, which a Node beside us runs: browsers draw
MathML themselves, so no page needs a script or another host to be read.
"""
import html
import json
import os
import re
import string
import subprocess
from pathlib import Path

from docutils import nodes
from fontTools import subset
from sphinx.util import logging

project = 'cache-once'
author = 'The authors of cache-once'
copyright = ''
language = 'en'
extensions = ['myst_nb', 'sphinx.ext.githubpages']  # the second marks _static as wanted
root_doc = 'index'

nb_execution_mode = 'off'  # the outputs are those that the notebooks hold
myst_enable_extensions = ['dollarmath', 'amsmath']
myst_dmath_double_inline = True
myst_dmath_allow_labels = False
myst_heading_anchors = 6
highlight_language = 'text'  # a block without a language is output, not Python
html_math_renderer = 'temml'

html_theme = 'sphinx_book_theme'
html_title = 'cache-once'
html_static_path = ['static', os.environ['CACHE_ONCE_ASSETS']]
html_css_files = ['math/math.css', 'book.css']
html_js_files = [('book.js', {'defer': 'defer'})]
templates_path = ['templates']
html_sidebars = {
    '**': ['head.html', 'sbt-sidebar-nav.html', 'api.html']
}
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_use_index = False
html_permalinks_icon = '#'
html_codeblock_linenos_style = 'inline'
html_context = {'default_mode': 'auto', 'has_api': os.environ.get('CACHE_ONCE_API') == '1'}
html_theme_options = {
    'collapse_navbar': True,
    'back_to_top_button': False,
    'show_toc_level': 2,
    'toc_title': 'On this page',
    'search_bar_text': 'Search the book …',
    'use_download_button': False,
    'use_fullscreen_button': False,
    'footer_content_items': '',
    'repository_url': os.environ.get('CACHE_ONCE_REPOSITORY', ''),
    'use_repository_button': bool(os.environ.get('CACHE_ONCE_REPOSITORY')),
}


class Temml:
    """TeX in, MathML out: one Node for the whole book, a formula a line."""

    def __init__(self):
        program = [os.environ['CACHE_ONCE_NODE'], Path(__file__).with_name('temml.cjs')]
        self.signs = set(string.ascii_letters + string.digits)
        # Browsers draw single letters as italics, which are signs of their own.
        self.signs.update(map(chr, [0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)]))
        self.node = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf8'
        )

    def mathml(self, tex: str, display: bool) -> str:
        self.node.stdin.write(json.dumps({'tex': tex, 'display': display}) + '\n')
        self.node.stdin.flush()
        answer = json.loads(self.node.stdout.readline())
        if 'error' in answer:
            raise ValueError(answer['error'])
        self.signs.update(html.unescape(re.sub('<[^>]*>', '', answer['mathml'])))
        return answer['mathml']

    def close(self):
        self.node.stdin.close()
        self.node.wait()


def visit_math(translator, node, display=False):
    tex = node.astext().strip()
    try:
        mathml = translator.builder.app.temml.mathml(tex, display)
    except ValueError as error:
        message = 'the formula %s cannot be drawn: %s'
        logging.getLogger(__name__).warning(message, tex, error, location=node)
        raise nodes.SkipNode
    if display:  # can be wider than the page: keys scroll what has the focus
        mathml = f'<div class="formula" tabindex="0" role="group" aria-label="Formula">{mathml}</div>'
    translator.body.append(mathml)
    raise nodes.SkipNode


def visit_math_block(translator, node):
    visit_math(translator, node, display=True)


def accessible(app, page, template, context, doctree):
    """What the theme leaves out: keys scroll only what can have the focus; buttons have names."""
    if 'body' in context:
        table = '<div class="pst-scrollable-table-container"'
        context['body'] = context['body'].replace(
            f'{table}>', f'{table} tabindex="0" role="group" aria-label="Table">'
        )
    contents = context['generate_toctree_html']

    def with_names(*args, **kwargs):
        tree = str(contents(*args, **kwargs))
        return tree.replace('<summary>', '<summary aria-label="Pages of this part">')

    context['generate_toctree_html'] = with_names


def finish_pages(app, exception):
    """The theme's colours hang on an attribute that its script sets: it gets a first value. Its
    script for icons of one's own, 1.5 MB, goes: we have none, and the theme's come from a font."""
    icons = re.compile(r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>')
    for page in Path(app.outdir).rglob('*.html'):
        text = page.read_text('utf8').replace('data-theme="auto"', 'data-theme="light"', 1)
        page.write_text(icons.sub('', text), 'utf8')
    (Path(app.outdir) / '_static/scripts/fontawesome.js').unlink(missing_ok=True)


def cut_font(app, exception):
    """Keeps the signs of the formulas, and their larger forms: 20 KB of 400."""
    if exception:
        return
    path = Path(app.outdir) / '_static/math/STIXTwoMath.woff2'
    options = subset.Options(flavor='woff2', layout_features=['*'])
    font = subset.load_font(path, options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=''.join(app.temml.signs))
    cutter.subset(font)
    subset.save_font(font, path, options)


def setup(app):
    app.temml = Temml()
    app.add_html_math_renderer('temml', (visit_math, None), (visit_math_block, None))
    app.connect('html-page-context', accessible, priority=900)  # after the theme
    app.connect('build-finished', finish_pages)
    app.connect('build-finished', cut_font)
    app.connect('build-finished', lambda app, exception: app.temml.close())
    return {'parallel_read_safe': True, 'parallel_write_safe': False}
