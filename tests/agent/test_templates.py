"""What a template asks for is asked at a line of the template."""

from pathlib import Path

import django.template
import jinja2

from tracestitch import frames


def where(_: object = None) -> str:
    """Called by a template; itself below the template, so it is left out."""
    location = frames.user_frame(1)
    assert location is not None
    return f"{location.file}|{location.line}|{location.function}"


def django_text(folder: Path, name: str, **values: object) -> str:
    context = django.template.Context({**values, "where": where}, use_l10n=False, use_tz=False)
    engine = django.template.Engine(dirs=[str(folder)])
    return str(engine.get_template(name).render(context)).strip()


def test_a_lookup_in_a_django_template_is_made_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    page = tmp_path / "shop" / "orders.html"
    page.write_text("<h1>\n{% for row in rows %}\n\n{{ where }}{% endfor %}")
    assert django_text(tmp_path, "shop/orders.html", rows=[1]) == (
        f"<h1>\n\n\n{page}|4|template shop/orders.html"
    )


def test_a_queryset_read_by_a_tag_is_asked_at_the_tag(tmp_path: Path) -> None:
    page = tmp_path / "list.html"
    page.write_text("one\n{% for letter in where %}{{ letter }}{% endfor %}")
    assert django_text(tmp_path, "list.html").endswith(f"{page}|2|template list.html")


def test_an_included_template_goes_before_the_one_that_includes_it(tmp_path: Path) -> None:
    (tmp_path / "outer.html").write_text('{% include "inner.html" %}')
    inner = tmp_path / "inner.html"
    inner.write_text("\n{{ where }}")
    assert django_text(tmp_path, "outer.html") == f"{inner}|2|template inner.html"


def test_an_installed_template_is_passed_over_for_the_users_that_includes_it(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages" / "grid"
    installed.mkdir(parents=True)
    (installed / "row.html").write_text("\n\n{{ where }}")
    outer = tmp_path / "outer.html"
    outer.write_text("\n{% include included %}")
    row = django.template.Engine(dirs=[str(installed)]).get_template("row.html")
    assert django_text(tmp_path, "outer.html", included=row) == f"{outer}|2|template outer.html"


def test_a_template_that_is_no_file_leaves_the_line_that_renders_it() -> None:
    template = django.template.Engine().from_string("{{ where }}")
    text = template.render(django.template.Context({"where": where}, use_l10n=False, use_tz=False))
    assert text.startswith(__file__)


def test_a_lookup_in_a_jinja_template_is_made_at_its_line_and_not_at_that_of_the_compiled_code(
    tmp_path: Path,
) -> None:
    page = tmp_path / "orders.html"
    page.write_text("<h1>\n\n{% for row in [1] %}\n{{ where() }}{% endfor %}")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path), autoescape=True)
    text = environment.get_template("orders.html").render(where=where)
    assert text.endswith(f"{page}|4|template orders.html")
