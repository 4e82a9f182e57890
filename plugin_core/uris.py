"""The one base of all URIs that Handrail coins. Whoever releases replaces it here and nowhere else."""

BASE = "https://handrail.example/fhir"
