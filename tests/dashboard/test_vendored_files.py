"""What is not ours is named, with licence, version and digest."""

from __future__ import annotations

import hashlib
import json

from tracestitch_dashboard.app import STATIC

VENDOR = STATIC / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())


def test_every_vendored_file_is_in_the_manifest_and_unchanged() -> None:
    for entry in MANIFEST:
        digest = hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest()
        assert digest == entry["sha256"], entry["file"]
        assert entry["version"] in (VENDOR / entry["file"]).read_text()
        assert (VENDOR / entry["licence_file"]).stat().st_size > 0
    named = {name for entry in MANIFEST for name in (entry["file"], entry["licence_file"])}
    assert {path.name for path in VENDOR.iterdir()} == named | {"manifest.json"}


def test_no_file_of_ours_names_an_address_elsewhere() -> None:
    for path in [*STATIC.glob("js/**/*.js"), *STATIC.glob("css/*.css")]:
        foreign = path.read_text().replace("http://www.w3.org/", "")
        assert "http://" not in foreign, path.name
        assert "https://" not in foreign, path.name
