"""Read tables: files with one row per pair, written by any program. `open_table` opens every kind of table.

Chosen: the standard csv module, fed line by line. So every message names its line, and a quote that swallows rows is
found. Rejected: pandas.read_csv, which gives no line numbers, stops at the first row with too many columns, and
silently fills rows with too few columns.
"""

from mmsent_cli.data.tables.opening import SUFFIXES, UNICODE, open_table, table_decision
from mmsent_cli.data.tables.table import Record, Report, Table
