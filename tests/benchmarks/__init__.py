"""Tests of what is pure in the benchmarks: comparing, arranging and drawing."""
