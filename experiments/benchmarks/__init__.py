"""What the benchmarks share: our cases and the peers', and interleaved timing."""
