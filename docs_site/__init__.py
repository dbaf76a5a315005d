"""The documentation as a site: what is made of docstrings, settings and guides as it is built."""
