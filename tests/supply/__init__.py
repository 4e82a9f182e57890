"""What Handrail is made of: licences, known holes, a bill of materials, a wheel that comes out the same each time."""
