"""What a run looks like: the page to mail, the table of the console, the sheet, the picture."""

from loadtests.report.console import progress_line, table
from loadtests.report.frontier import frontier_svg
from loadtests.report.page import write_report
from loadtests.report.sheet import write_csv

__all__ = ["frontier_svg", "progress_line", "table", "write_csv", "write_report"]
