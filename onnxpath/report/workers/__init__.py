"""Several workers that explain the units of a report: processes here, actors on a Ray cluster."""
