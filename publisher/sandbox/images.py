"""What kind of picture some bytes are, by how they begin; their name and declared type prove nothing."""


def kind(content: bytes) -> str | None:
    """image/jpeg, image/png, image/gif or image/webp; None for anything else."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None
