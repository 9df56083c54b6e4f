"""Tests of the yardsticks: what a measurement counts."""
