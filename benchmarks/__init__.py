"""Side-by-side measurements against peers: ratios, medians, interleaved."""
