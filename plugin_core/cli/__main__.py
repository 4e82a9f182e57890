"""`python -m handrail.plugin_core.cli`, for where the console command is not on the path."""

from . import main

main()
