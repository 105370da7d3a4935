"""Everything outside the process: pictures, films, points and warps on disk, weights, the cache."""
