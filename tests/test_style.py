"""The style of the plots: distinguishable without colour, unaffected by the caller's settings."""

import re

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D

from cnn_jax.strategies import strategy_names
from cnn_jax.style import add_legend, label, plot_style, png, style_of, svg


def test_strategies_differ_in_more_than_colour():
    looks = [style_of(name) for name in strategy_names()]
    assert len(set(looks)) == len(looks)
    together = ('max', 'avg', 'stride', 'max_blur3', 'max_blur5', 'blur', 'aps')
    assert len({style_of(name).colour for name in together}) == len(together)
    assert len({style_of(name).marker for name in together}) == len(together)


def test_a_figure_in_a_page_follows_its_colours_and_has_names_of_its_own():
    @plot_style
    def draw() -> Figure:
        figure = Figure(figsize=(2, 2))
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=style_of('max').colour)
        axes.set_xlabel('shift (pixels)')
        return figure

    text = svg(draw(), 'one')
    assert text.startswith('<svg') and text.endswith('</svg>') and '<script' not in text
    assert 'var(--text)' in text and style_of('max').colour.lower() in text.lower()
    assert '>shift (pixels)</text>' in text and '<metadata' not in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)) and all(name.startswith('one-') for name in ids)
    used = re.findall(r'(?:href="|url\()#([^")]+)', text)
    assert set(used) <= set(ids) and used
    assert text == svg(draw(), 'one') and text != svg(draw(), 'two')


def test_labels_are_cut_broken_and_never_mathematics():
    assert label('max_blur3') == 'max_blur3'
    assert label('x' * 40) == 'x' * 31 + '…'
    assert label('strategy_number_5', width=10, lines=3) == 'strategy_\nnumber_5'
    assert label('a_b_c_d_e_f', width=4, lines=2) == 'a_b_\nc_d…'
    assert label('abcdefgh', width=3, lines=3) == 'abc\ndef\ngh'
    assert label('$a$') == r'\$a\$'
    assert label('two\nlines') == 'two lines'


def test_the_callers_settings_neither_enter_nor_change():
    with mpl.rc_context({'axes.facecolor': 'black', 'font.size': 30.0}):
        figure = plot_style(Figure)()
        axes = plot_style(figure.add_subplot)()
        assert axes.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        png(figure)
        assert mpl.rcParams['font.size'] == 30.0


def test_png_is_on_white(tmp_path):
    (tmp_path / 'a.png').write_bytes(png(Figure(figsize=(1, 1), facecolor='black')))
    pixels = imread(tmp_path / 'a.png')
    assert pixels.shape[:2] == (160, 160)
    assert np.all(pixels == 1)


def test_a_legend_of_long_names_stays_inside_the_figure():
    @plot_style
    def draw() -> tuple[Figure, float]:
        figure = Figure(figsize=(8, 4))
        axes = figure.add_subplot()
        add_legend(figure, [Line2D([], [], label=f'{"long_name_" * 3}{n}') for n in range(20)])
        figure.savefig('/dev/null', format='png')
        legend = figure.legends[0].get_window_extent()
        frame = figure.bbox
        assert frame.x0 <= legend.x0 < legend.x1 <= frame.x1
        assert frame.y0 <= legend.y0
        assert legend.y1 <= axes.get_window_extent().y0
        return figure, axes.get_window_extent().height

    figure, height = draw()
    assert height > 0.5 * 4 * figure.dpi
