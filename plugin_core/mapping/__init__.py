"""Mappings: which question of a platform is which line, and which of its options is which number.

Made when the practice connects (`propose`), confirmed by a person, kept as a file (`files`), and checked on every form
(`reader`). A form that Handrail published maps by itself (`own`).
"""

from .reader import FormReader, own_form, own_mapping

__all__ = ["FormReader", "own_form", "own_mapping"]
