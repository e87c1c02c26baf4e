"""The tools the program runs on: found, fetched or built, and kept outside the work tree."""
