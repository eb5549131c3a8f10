"""What is this network made of, what does each layer cost, and which pixels does it see?

python -m experiments.summarize resnet50 --downsample max_blur --downsample.filter-size 5
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from cnn_jax.exits import exit_codes, parse_options

SMALL = (32, 32, 3)
DRAWS = 10  # random initialisations over which the picture averages


@dataclass(frozen=True)
class Options:
    """What to show."""

    model: Annotated[str, tyro.conf.Positional]
    """Name of a model: resnet50, vgg16, ..."""
    input: tuple[int, ...] = ()
    """Height, width, channels of the images. Default: the published network's input."""
    downsample: str = 'max'
    """Name of the strategy; max gives the published network. Its fields are options too:
    --downsample.filter-size 5."""
    num_classes: int | None = None
    """Default: 1000, or 10 for images of up to 64 pixels."""
    small_images: bool = False
    """The model's form for small images, which images of up to 64 pixels get by default."""
    downsample_first: bool = False
    """Whether the first convolution's stride is a site of the strategy."""
    json: Path | None = None
    """File for the table as JSON."""
    erf: Path | None = None
    """PNG file for a plot of the effective receptive field, averaged over random weights."""
    layer: str | None = None
    """The layer of that plot. Default: the last one whose field is not the whole image; in a
    block with a shortcut, before the shortcut is added."""


def main() -> None:
    """Summarises the model, prints the table, writes the files."""
    arguments, fields = of_the_strategy(sys.argv[1:])
    options = parse_options(
        Options,
        arguments,
        program='python -m experiments.summarize',
        description='Prints the layers of a network with their shapes, parameters, FLOPs, memory '
        f'and receptive fields. Computes nothing but the picture. {_names(arguments)}',
    )
    from cnn_jax.errors import require, unknown_name
    from cnn_jax.files import write_atomically, write_json
    from cnn_jax.inspection import plot_receptive_field, summarize, summary_dict
    from cnn_jax.models import SMALL_SIDE, build_model, for_images
    from cnn_jax.strategies import strategy_named
    from cnn_jax.style import png

    strategy = strategy_named(options.downsample)
    if fields:
        program = f'--downsample {options.downsample}'
        strategy = parse_options(type(strategy), fields, program=program, description='')
    require(
        options.erf is None or options.erf.suffix == '.png',
        f'--erf must name a .png file; got {options.erf}.',
    )
    require(
        len(options.input) in (0, 3),
        f'--input takes height, width and channels; got {" ".join(map(str, options.input))}.',
    )
    require(options.erf is not None or not options.layer, '--layer is for --erf: give both.')
    extra = {'small_images': options.small_images, 'downsample_first': options.downsample_first}
    model = build_model(
        options.model,
        downsample=strategy,
        num_classes=1000,
        **{name: value for name, value in extra.items() if value},
    )
    published = min(model.IMAGES, SMALL) if options.small_images else model.IMAGES
    height, width, channels = options.input or published
    shape = (height, width, channels)
    classes = options.num_classes
    if classes is None:
        classes = 10 if max(shape[:2]) <= SMALL_SIDE else 1000
    require(classes >= 1, f'--num-classes must be at least 1; got {classes}.')
    model = for_images(model.clone(num_classes=classes), shape)
    summary = summarize(model, shape)
    summary = replace(summary, model=f'{options.model}: {summary.model}')
    names = {layer.name: layer for layer in summary.layers}
    maps = [name for name in names if len(names[name].output_shape) == 3]
    if options.layer and options.layer not in maps:
        raise unknown_name('layer with a map', options.layer, maps)
    print(summary)
    if options.json:
        write_json(options.json, summary_dict(summary))
        print(f'table: {options.json}')
    if options.erf:
        last = next(name for name in reversed(names) if names[name].field)
        layer = names[options.layer or last]
        values = on_noise(model, summary.image_shape, layer.name)
        caption = f'mean of {DRAWS} draws of random weights'
        write_atomically(options.erf, png(plot_receptive_field(values, layer, caption=caption)))
        print(f'picture: {options.erf}')


def of_the_strategy(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments of the program, and those of the strategy without their prefix.

    >>> of_the_strategy(['vgg16', '--downsample.filter-size', '5', '--json', 'a.json'])
    (['vgg16', '--json', 'a.json'], ['--filter-size', '5'])
    """
    mine: list[str] = []
    strategys: list[str] = []
    place = mine
    for argument in arguments:
        if argument.startswith('--'):
            place = strategys if argument.startswith('--downsample.') else mine
        place.append(argument.replace('--downsample.', '--', 1))
    return mine, strategys


def _names(arguments: Sequence[str]) -> str:
    """The names of models and strategies for --help."""
    if not {'-h', '--help'} & set(arguments):
        return ''
    from cnn_jax.models import model_names
    from cnn_jax.strategies import strategy_names

    dense = [name for output in ('mask', 'boxes', 'points') for name in model_names(output)]
    names = ', '.join([*model_names(), *dense])
    return f'Models: {names}. Strategies: {", ".join(strategy_names())}.'


def on_noise(model, image_shape: tuple[int, int, int], layer: str):
    """The effective receptive field of a layer: the mean over weights, each on one noise image."""
    import jax

    from cnn_jax.inspection import effective_receptive_field

    images = jax.random.normal(jax.random.key(1), (DRAWS, 1, *image_shape))
    init = jax.jit(lambda key: model.init(key, images[0], train=False))
    draws = zip(jax.random.split(jax.random.key(0), DRAWS), images, strict=True)
    fields = [effective_receptive_field(model, init(key), image, layer) for key, image in draws]
    return jax.numpy.stack(fields).mean(0)


if __name__ == '__main__':
    with exit_codes():
        main()
