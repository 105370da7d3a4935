"""Two feature maps become matches, and matches become a warp; modules are named after their methods."""
