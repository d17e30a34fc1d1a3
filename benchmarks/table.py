"""Medians and ratios of the rounds, as text and as JSON."""

from statistics import median

from columns import COMPARISONS
from rows import ROWS

UNSTEADY = 0.25  # rounds further apart than this, relative to their median, are marked


class Results:
    """figures[measurement][column] is the list of what each round gave, None where it failed."""

    def __init__(self, columns, measurements):
        self.columns = columns
        self.figures = {m.key: {c.key: [] for c in columns} for m in measurements}
        self.failures = []

    def add(self, measurement, column, figures):
        self.figures[measurement.key][column.key].append(figures)

    def fail(self, measurement, column, reason):
        self.add(measurement, column, None)
        self.failures.append(f"{column.key}, {measurement.key}: {reason}")

    def rounds(self, row, column_key):
        """The row's figure in each round, None where there is none."""
        cells = self.figures.get(row.measurement, {}).get(column_key, [])
        return [cell.get(row.figure) if cell else None for cell in cells]

    def errors(self, measurement_key, column_key):
        return sum(cell.get("errors", 0) for cell in self.figures[measurement_key][column_key] if cell)

    def all_errors(self):
        found = ((column.key, key, self.errors(key, column.key)) for key in self.figures for column in self.columns)
        return [item for item in found if item[2]]

    def ratios(self, row, product, reference):
        """The ratio within each round: what slows a whole round down cancels out."""
        pairs = zip(self.rounds(row, product), self.rounds(row, reference))
        return [ours / theirs for ours, theirs in pairs if ours is not None and theirs]

    def rows(self):
        return [row for row in ROWS if row.measurement in self.figures]

    def comparisons(self):
        present = {column.key for column in self.columns}
        return [pair for pair in COMPARISONS if present.issuperset(pair)]


def _cell(results, row, column):
    rounds = results.rounds(row, column.key)
    figures = [figure for figure in rounds if figure is not None]
    if not figures:
        return "failed" if rounds and all(cell is None for cell in results.figures[row.measurement][column.key]) else ""
    middle = median(figures)
    mark = "!" if len(figures) < len(rounds) or results.errors(row.measurement, column.key) else ""
    if middle and (max(figures) - min(figures)) / abs(middle) > UNSTEADY:
        mark += "~"
    return f"{middle:,.{row.digits}f}{mark}"


def _lines(heads, body):
    first = max(len(row[0]) for row in [heads] + body)
    widths = [max(max(len(row[i]) for row in [heads] + body), 8) for i in range(1, len(heads))]
    for row in [heads, None] + body:
        if row is None:
            yield "-" * (first + sum(widths) + 2 * len(widths))
        else:
            yield row[0].ljust(first) + "".join("  " + text.rjust(width) for text, width in zip(row[1:], widths))


def text(results):
    titles = {column.key: column.title for column in results.columns}
    out = list(_lines(["median of the rounds"] + [column.title for column in results.columns],
                      [[row.title] + [_cell(results, row, column) for column in results.columns]
                       for row in results.rows()]))
    out.append("~ rounds differ by more than a quarter   ! errors or failed rounds, see below")
    pairs = results.comparisons()
    if pairs:
        body = []
        for row in results.rows():
            cells = [_ratio_cell(row, results.ratios(row, *pair)) for pair in pairs]
            if any(cells):
                body.append([row.title] + cells)
        out += [""] + list(_lines(["median of the ratios"]
                                  + [f"{titles[ours]} / {titles[theirs]}" for ours, theirs in pairs], body))
        out.append("+ wmproxy is better in every round   - worse in every round   = the rounds disagree")
    out += [""] * bool(results.failures) + [f"failed: {failure}" for failure in results.failures]
    out += [f"errors: {column}, {measurement}: {count}" for column, measurement, count in results.all_errors()]
    return "\n".join(out)


def _ratio_cell(row, ratios):
    if not ratios:
        return ""
    better = [ratio >= 1 if row.more_is_better else ratio <= 1 for ratio in ratios]
    return f"{median(ratios):.2f} {'+' if all(better) else '=' if any(better) else '-'}"


def as_json(results, about):
    rows = {}
    for row in results.rows():
        cells = {}
        for column in results.columns:
            rounds = results.rounds(row, column.key)
            figures = [figure for figure in rounds if figure is not None]
            if figures:
                cells[column.key] = {"median": median(figures), "rounds": rounds}
        rows[f"{row.measurement}.{row.figure}"] = {
            "title": row.title.strip(), "more_is_better": row.more_is_better, "columns": cells,
            "ratios": {f"{ours}/{theirs}": median(ratios) for ours, theirs in results.comparisons()
                       if (ratios := results.ratios(row, ours, theirs))}}
    return {"about": about, "rows": rows, "failures": results.failures,
            "errors": [dict(zip(("column", "measurement", "count"), item)) for item in results.all_errors()]}
