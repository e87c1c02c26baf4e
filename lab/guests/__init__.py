"""The guest images of the lab: the router (VyOS's stand-in, or a VyOS of the user's own) and the Linux VM."""

from lab.guests.build import BOOT_FILES, KERNEL_ARGUMENTS, Images, images, kernel_image

__all__ = ["BOOT_FILES", "KERNEL_ARGUMENTS", "Images", "images", "kernel_image"]
