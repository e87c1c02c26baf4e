"""How the stack is doing, as people and tools like to have it told."""
