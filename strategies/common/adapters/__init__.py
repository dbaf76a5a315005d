"""Adapters on a frozen foundation model: attached by hooks, traded, averaged, exported."""
