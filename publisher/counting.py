"""twitter-text, X's own way of counting, brought in without setuptools.

It reads one file of its own through pkg_resources, which environments have lacked since Python 3.12 and
setuptools has given up. For the time of the import a stand-in with that one function takes its place.
"""

import sys
from importlib import resources
from types import ModuleType
from unittest.mock import patch

__all__ = ["extract_urls_with_indices", "parse_tweet"]


def _resource_string(module: str, name: str) -> bytes:
    return resources.files(module.rpartition(".")[0]).joinpath(name).read_bytes()


_stand_in = ModuleType("pkg_resources")
vars(_stand_in)["resource_string"] = _resource_string

with patch.dict(sys.modules, {"pkg_resources": _stand_in}):
    from twitter_text import extract_urls_with_indices, parse_tweet
