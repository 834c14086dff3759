"""Battles without people: models answer, judges decide, the votes lie beside people's."""
