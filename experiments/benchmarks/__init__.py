"""What the benchmarks share: cases of ours and of the peers, and interleaved timing."""
