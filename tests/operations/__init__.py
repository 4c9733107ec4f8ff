"""Tests of the operations, and what all tests of the core share (`operations.support`)."""
