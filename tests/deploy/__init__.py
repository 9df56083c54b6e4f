"""How Standing is installed, started and reached: packages, images, units, manifests and proxies."""
