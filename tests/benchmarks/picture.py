"""Draw the README's picture from the default study's storage.

    make sweep && python -m tests.benchmarks.picture

Needs a Chromium or Chrome, which turns plotly's figure into a file.
"""

from pathlib import Path

from sweep.result import load_result
from sweep.spec.study import DEFAULT_STORAGE

PICTURE = Path("studies/pictures/digits-l2.png")

if __name__ == "__main__":
    figure = load_result("digits-l2", DEFAULT_STORAGE).figure("validation_curve")
    figure.update_layout(paper_bgcolor="white")  # or it could not be read on a dark page
    figure.write_image(PICTURE, width=900, height=480, scale=1.5)
