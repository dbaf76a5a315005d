"""Pickles of arrays read as data: nothing in one is looked up, imported or called.

``opcodes`` turns a stream into the symbols of ``symbols``; its callers rebuild what they
need from a list of names of their own, with ``arrays`` and ``byte_strings``.
"""
