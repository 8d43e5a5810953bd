"""Lines of templates: which line of a Django or Jinja template a frame is rendering."""

import os
from types import FrameType

TemplateLine = tuple[str, int, str]
"""File, line, and what stands for the function: `template shop/orders.html`."""


def django_line(frame: FrameType) -> TemplateLine | None:
    """Of a frame of `django/template/base.py`; None where it renders no node, or one of a template that is no
    file."""
    if frame.f_code.co_name != "render_annotated":
        return None
    node = frame.f_locals.get("self")
    origin, token = getattr(node, "origin", None), getattr(node, "token", None)
    file, line = getattr(origin, "name", None), getattr(token, "lineno", None)
    if not isinstance(file, str) or not os.path.isabs(file) or not isinstance(line, int):
        return None
    return file, line, f"template {getattr(origin, 'template_name', None) or os.path.basename(file)}"


def jinja_line(frame: FrameType) -> TemplateLine | None:
    """Jinja compiles a template to Python that bears the template's file name, but has lines of its own."""
    template = frame.f_globals.get("__jinja_template__")
    if template is None:
        return None
    file = frame.f_code.co_filename
    line = template.get_corresponding_lineno(frame.f_lineno)
    return file, int(line), f"template {template.name or os.path.basename(file)}"
