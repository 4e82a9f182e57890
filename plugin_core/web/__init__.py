"""The desk: pages for clinicians in a browser, and what other ways in are built on (docs/desk.md).

Needs the extra `handrail[web]`. Nothing is imported here, so that the command can say so where it is missing. A page is
a Flask blueprint named in `parts.py`; every page says with `access.lets` who may see it, or nobody may.
"""
