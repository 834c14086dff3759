"""What a person reads of a finished run: `report.html` and the data-set card `README.md`.

Both are made from the run's folder alone (`metrics.json`, `run.yaml`, `data/*.parquet`), so
they can be rebuilt at any time, on any machine, without the models or the checkpoint:

    folder.py    opens the files; every damaged or missing one becomes one clear line
    measure.py   histograms, quantiles and correlations, one record batch at a time
    pick.py      the few rows worth showing, found by number first and read as text last
    origins.py   which models, licences and recipes made the rows, and which licence results
    words.py     reasons, states and empty charts in plain words, with what to do about them
    text.py      model text made safe to look at; numbers made easy to read
    charts.py    numbers to SVG geometry
    page.py      `write_report`, over templates/report.html.j2
    card.py      `write_card`, over templates/README.md.j2
"""

from gristmill.report.card import write_card
from gristmill.report.page import write_report

__all__ = ["write_card", "write_report"]
