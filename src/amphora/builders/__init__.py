"""Builders: stores of their own, each with platforms and limits, and no daemon."""
