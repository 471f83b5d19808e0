"""What an exchange of a device costs the one who uses it."""
