"""A small clay studio: bodies of blobs, rendered by marching rays, with the exact map between any two of a kind."""
