"""The steps, each in a file, numbered. A step that was released never changes."""
