"""The signal's bench: an invented population with known courses, answers on `gr18`, detectors, figures.

Everything here is simulation. It shows how detectors compare with each other in a world that is written down in these
files; how well any of them does with real clients is unknown.
"""
