"""The numbers that theorems ask for, found on the problem itself."""
