"""A host of thousands of practices on simulated time: real due table, leases, budgets and queue on a real PostgreSQL.

What is simulated is time, the platforms (how many requests a look and a form cost, how long they take, what they allow,
when they are away), the clients who fill in forms, and how long a worker computes. Who is called when, who has whom,
who gives way, who waits and for how long is decided by the program's own code, on the database that a host would have.
"""
