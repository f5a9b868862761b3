"""Mail that came back: what it says, and what that changes."""
