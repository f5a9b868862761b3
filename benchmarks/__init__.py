"""Measurements that ship: how fast the engine sends, and what it does when everything around it dies."""
