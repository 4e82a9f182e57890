"""Speed and memory of Handrail beside two baselines, measured in the same run: `python -m benchmarks.run`."""
