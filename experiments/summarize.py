"""What is this network made of, what does each layer cost, and which pixels does it see?

python -m experiments.summarize resnet50 --downsample max_blur --json runs/resnet50.json
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cnn_jax.exits import exit_codes, parse_options

SMALL = (32, 32, 3)


@dataclass(frozen=True)
class Options:
    """What to show."""

    model: Annotated[str, tyro.conf.Positional]
    """Name of a model: resnet50, vgg16, ..."""
    input: tuple[int, int, int] | None = None
    """Height, width, channels of the images. Default: what the published network takes."""
    downsample: str = 'max'
    """Name of the strategy; max is the published network."""
    num_classes: int | None = None
    """Default: 1000, or 10 for images of up to 64 pixels."""
    small_images: bool = False
    """The model's form for small images, which those of up to 64 pixels get without asking."""
    downsample_first: bool = False
    """Whether the first convolution's stride is a site of the strategy."""
    json: Path | None = None
    """File for the table as JSON."""
    erf: Path | None = None
    """PNG file for a picture of the effective receptive field, of random weights on noise."""
    layer: str | None = None
    """The layer of that picture. Default: the last one whose field is not the whole image."""


def main() -> None:
    """Model, table, files."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.summarize',
        description='Prints the layers of a network with their shapes, parameters, FLOPs, memory '
        'and receptive fields. Computes nothing but the picture.',
    )
    from cnn_jax.errors import require
    from cnn_jax.files import write_atomically, write_json
    from cnn_jax.inspection import plot_receptive_field, summarize, summary_dict
    from cnn_jax.models import build_model, for_images
    from cnn_jax.modules import strategy_named
    from cnn_jax.style import png

    require(
        options.erf is None or options.erf.suffix == '.png',
        f'--erf must name a .png file; got {options.erf}.',
    )
    extra = {'small_images': options.small_images, 'downsample_first': options.downsample_first}
    model = build_model(
        options.model,
        downsample=strategy_named(options.downsample),
        num_classes=1000,
        **{name: value for name, value in extra.items() if value},
    )
    shape = options.input or (min(model.IMAGES, SMALL) if options.small_images else model.IMAGES)
    classes = options.num_classes
    if classes is None:
        classes = 10 if max(shape[:2]) <= 64 else 1000
    require(classes >= 1, f'--num-classes must be at least 1; got {classes}.')
    model = for_images(model.clone(num_classes=classes), shape)
    summary = summarize(model, shape)
    print(summary)
    if options.json:
        write_json(options.json, summary_dict(summary))
    if options.erf:
        last = next(layer.name for layer in reversed(summary.layers) if layer.field)
        values, layer = on_noise(model, summary, options.layer or last)
        write_atomically(options.erf, png(plot_receptive_field(values, layer)))


def on_noise(model, summary, name: str):
    """The effective receptive field of a layer with random weights, on eight images of noise."""
    import jax

    from cnn_jax.inspection import effective_receptive_field

    images = jax.random.normal(jax.random.key(1), (8, *summary.image_shape))
    variables = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))(images[:1])
    values = effective_receptive_field(model, variables, images, name)
    return values, next(layer for layer in summary.layers if layer.name == name)


if __name__ == '__main__':
    with exit_codes():
        main()
