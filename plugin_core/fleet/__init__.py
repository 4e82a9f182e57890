"""Many practices on one server: a host's settings, its practices and roles, and the workers that run them."""
