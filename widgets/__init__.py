"""Reusable Qt widgets that know field declarations and arrays, and nothing of the application."""
