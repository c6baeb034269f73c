"""What elements of a page share: CSS and JavaScript from files, no kernel, no outside host.

A page may hold an element more than once, and several kinds of it. So a style file writes `#ID`
for the element, and a script file holds one function of the element and its data.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def static(name: str) -> str:
    """A file of `ddlib/plots/static`."""
    return (files("ddlib.plots") / "static" / name).read_text(encoding="utf-8")


def style(name: str, key: str) -> str:
    """The style file `name`.css, for the element whose id is `key` alone."""
    return f"<style>{static(f'{name}.css').replace('#ID', f'#{key}')}</style>"


def script(name: str, key: str, data: Any = None) -> str:
    """Calls the function of `name`.js with the element whose id is `key`, and with `data`."""
    function = static(f"{name}.js").strip()
    given = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")  # would end the script
    return f"<script>({function})(document.getElementById({json.dumps(key)}), {given});</script>"
