"""Slow float64 NumPy loops, written from the definitions and sharing no code with cnn_jax."""
