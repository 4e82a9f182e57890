"""Platforms: each folder speaks one platform's words; the modules beside them are what all of them share."""
