"""`python -m handrail.plugin_core.cli`, for where the console command is not on the path."""

from . import main

if __name__ == "__main__":
    main()
