"""A renderer of talking heads on the CPU: identities, looks, scenes and cameras from a seed, moved by controls.

`Renderer` (`render`) draws frames of a motion, an array of the CONTROLS of `controls`. Who speaks and how
they move is decided by `styleheat.sources.synthetic`.
"""
