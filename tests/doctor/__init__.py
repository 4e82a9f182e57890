"""Tests of `handrail doctor`: each of the likeliest mistakes, made for real."""
