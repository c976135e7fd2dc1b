"""StyleHEAT: one-shot talking faces by warping the features of a pretrained StyleGAN2 (arXiv 2203.04036)."""
