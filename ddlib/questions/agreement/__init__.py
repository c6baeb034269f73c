"""Agreement of networks on few images with networks that were stopped early."""
