"""Pictures of what the networks of a run do inside, as one page."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from cnn_jax.gallery.layers import fields, filters, maps, responses
from cnn_jax.gallery.moving import sliding
from cnn_jax.gallery.networks import ShownNetwork
from cnn_jax.gallery.preferred import dreams, preferred_images
from cnn_jax.gallery.shifts import answers, equivariance, in_short
from cnn_jax.reports.page import Page, Paragraph, Section


def gallery_page(
    title: str,
    networks: Mapping[str, ShownNetwork],
    images: UInt8[np.ndarray, 'images height width channels'],
    labels: Sequence[int],
    class_names: Sequence[str],
    *,
    note: str,
    progress: Callable[[str], None] = lambda section: None,
) -> Page:
    """The page; `note` says where the weights come from.

    The first image is the one that is looked at; all are averaged over in the equivariance maps.
    `progress` is told the name of each section before it is drawn.
    """
    one, name = images[0], class_names[labels[0]]
    sections = {
        'One pixel at a time': lambda: sliding(networks, one, labels[0], name),
        'What a shift does to each layer': lambda: equivariance(networks, images),
        'What a shift does to the answer': lambda: answers(networks, images, labels, class_names),
        'What each strategy does to a frequency': lambda: responses(networks),
        'Filters of the first layer': lambda: filters(networks),
        'The outputs of the layers': lambda: maps(networks, one, name),
        'What one unit sees': lambda: fields(networks, images),
        'The image that each class prefers': lambda: preferred_images(networks, class_names),
        'The image, with more of what the network sees in it': lambda: dreams(networks, one),
    }
    drawn = []
    for heading, draw in sections.items():
        progress(heading)
        pictures = tuple(draw())
        if pictures:  # images may be too small for some
            drawn.append(Section(heading, pictures))
    progress('the answers')
    lead = (Paragraph(in_short(networks, images, labels), 'answer'), Paragraph(note))
    return Page(title, lead, tuple(drawn))
