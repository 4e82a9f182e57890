"""Doubles of the platforms: small stateful servers on loopback, made for these tests; every record is invented."""
