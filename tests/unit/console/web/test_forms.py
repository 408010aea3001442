"""Every form that changes something carries the token of its visitor's session."""

import re
from pathlib import Path

import console

TEMPLATES = Path(console.__file__).parent / "web" / "templates"
FORM = re.compile(r'<form\b[^>]*method="post".*?</form>', re.DOTALL)


def test_every_form_that_posts_holds_the_token():
    forms = [
        (template.name, form)
        for template in sorted(TEMPLATES.glob("*.html"))
        for form in FORM.findall(template.read_text())
    ]
    assert len(forms) >= 5
    # Whoever logs in has no session yet; there the address of the page must do.
    without = [name for name, form in forms if "{{ csrf() }}" not in form]
    assert without == ["login.html"]
