"""The gallery: one page of pictures of what happens inside the networks of a run."""

from cnn_jax.gallery.networks import Chosen, ShownNetwork, choose_networks
from cnn_jax.gallery.page import gallery_page

__all__ = ['Chosen', 'ShownNetwork', 'choose_networks', 'gallery_page']
