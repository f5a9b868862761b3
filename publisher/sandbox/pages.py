"""How the sandbox's pages are made: its own Jinja2 environment, with everything escaped."""

from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "sandbox"

environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page from templates/sandbox/; base.html has the blocks `title` and `content`."""
    html = environment.get_template(template).render(**context)
    return web.Response(text=html, status=status, content_type="text/html")
