"""The signal: a joint model of how growth and reliance move, behind rule R1 (docs/signal.md).

`constants` and `rule` cost nothing to import; `model` needs numpy and is imported when the first course is read.
"""
