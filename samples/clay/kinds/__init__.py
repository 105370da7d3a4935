"""The kinds of objects: for each its shape, its coat and its named places."""
