"""People made by the project, and clips of them talking; see `clip` for what other packages call.

Nothing is imported here: the speech synthesiser's process starts from this package and must start fast.
"""
