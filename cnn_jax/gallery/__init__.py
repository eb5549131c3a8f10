"""The gallery: pictures of what the networks of a run do inside, on one page."""

from cnn_jax.gallery.networks import Chosen, ShownNetwork, choose_networks
from cnn_jax.gallery.page import gallery_page

__all__ = ['Chosen', 'ShownNetwork', 'choose_networks', 'gallery_page']
