"""The README's two commands on other systems, each in a chroot of its own: `./dev matrix`."""
