"""Stand-ins for the outside world: a mail catcher, and servers that speak X and the Graph API.

Product code, used by the demo, by development and by the tests. It keeps its own SQLite file and imports
nothing else of publisher, so that it can never agree with the product by sharing a mistake.
"""
