"""`transfer-style`: the look of corresponding regions, by colour moments, by patches or by diffusion."""
