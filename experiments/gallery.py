"""What happens inside the networks of a comparison?

python -m experiments.gallery runs/compare   (gallery.html goes there)

Takes the folder of a finished comparison, or a config, whose networks are then shown untrained.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from cnn_jax.exits import exit_codes, parse_options


@dataclass(frozen=True)
class Options:
    """What to show."""

    run: tyro.conf.Positional[Path]
    """The output folder of a comparison, or a config file."""
    output: Path | None = None
    """The folder for gallery.html; by default that of the comparison."""
    strategies: tuple[str, ...] | None = None
    """By default the baseline and the two most consistent others, or a config's first three."""
    seed: int | None = None
    """Seed of the networks; by default the first that finished."""
    image: int = 0
    """Index of the test image to look at."""
    images: int = 100
    """Test images to average over."""


def main() -> None:
    """Loads networks and images, writes the page."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.gallery',
        description='Writes a page of pictures of what the networks of a comparison do inside.',
    )
    import numpy as np
    from rich.console import Console

    from cnn_jax.errors import require
    from cnn_jax.files import make_folder, write_atomically
    from cnn_jax.gallery import choose_networks, gallery_page
    from cnn_jax.reports import write_report
    from cnn_jax.reports.html import to_html
    from cnn_jax.reports.sections import GALLERY
    from cnn_jax.runs.process import enable_compilation_cache
    from cnn_jax.runs.setup import load_dataset

    enable_compilation_cache()
    console = Console(stderr=True)
    chosen = choose_networks(options.run, strategies=options.strategies, seed=options.seed)
    cell = next(iter(chosen.cells.values()))
    dataset = load_dataset(cell, log=console.print)
    count = len(dataset.test.labels)
    require(
        0 <= options.image < count, f'--image must be from 0 to {count - 1}; got {options.image}.'
    )
    require(options.images >= 1, f'--images must be at least 1; got {options.images}.')
    networks = chosen.networks(dataset, log=console.print)
    folder = options.output or options.run
    require(
        not folder.is_file(),
        f'{options.run} is a config: give --output DIR, the folder that gallery.html goes to.',
    )
    make_folder(folder)
    others = [i for i in range(min(options.images, count)) if i != options.image]
    numbers = np.array([options.image, *others[: options.images - 1]])
    page = gallery_page(
        f'Inside: {chosen.title}',
        networks,
        dataset.test.images[numbers],
        dataset.test.labels[numbers].tolist(),
        dataset.class_names,
        note=chosen.note,
        progress=lambda section: console.print(f'drawing: {section}'),
    )
    file = folder / GALLERY
    write_atomically(file, to_html(page).encode())
    if folder.resolve() == options.run.resolve():
        write_report(options.run)  # so that it links to the gallery beside it
    console.print(f'gallery: {file}')


if __name__ == '__main__':
    with exit_codes():
        main()
