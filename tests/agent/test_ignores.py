"""Comments that switch a check off at a line."""

from pathlib import Path

from tracestitch.ignores import Ignores, ignores_in


def test_a_comment_names_checks_and_a_reason() -> None:
    source = "a()\nb()  # tracestitch: ignore[n-plus-one-db] the list is short\n"

    assert ignores_in(source) == {2: ("n-plus-one-db the list is short",)}


def test_several_checks_share_a_comment_and_a_reason_may_be_missing() -> None:
    assert ignores_in("a()  # tracestitch: ignore[a-b, c]") == {1: ("a-b", "c")}


def test_a_comment_at_a_view_counts_for_its_decorators_and_its_def() -> None:
    source = "x = 1\n@app.get('/')\n@auth\ndef view():  # tracestitch: ignore[a] why\n    pass\n"

    assert ignores_in(source) == {2: ("a why",), 3: ("a why",), 4: ("a why",)}


def test_other_comments_say_nothing() -> None:
    assert ignores_in("a()  # ignore[a]\nb()  # tracestitch: look\n") == {}


def test_a_file_is_read_once_and_a_missing_one_ignores_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("a()  # tracestitch: ignore[a] why\n")
    ignores = Ignores()

    assert ignores.at(str(file), 1) == ("a why",)
    file.unlink()
    assert ignores.at(str(file), 1) == ("a why",)
    assert ignores.at(str(file), 2) == ()
    assert ignores.at(str(tmp_path / "none.py"), 1) == ()
