"""Your own models: a file ``own_models/mine.py`` is named ``own_models/mine.py:Net``.

What lies here travels to every device in the app bundle. Flower leaves out what
``.gitignore`` lists and files called ``test_*.py`` or ``*_test.py``.
"""
