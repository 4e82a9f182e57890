"""The parts of the offline screen: lines in, clients one at a time, lines out. `screen.py` puts them together."""
