"""Tables: files with one row for each pair, whatever program wrote them. `open_table` reads all of them.

Chosen: the standard csv module for one record at a time, fed line by line, so that every message has its line and a
quote that swallows rows is found. Rejected: pandas.read_csv, which gives no line numbers, stops at the first row with
too many columns, and silently fills rows with too few.
"""

from mmsent_cli.data.tables.opening import SUFFIXES, UNICODE, open_table, table_decision
from mmsent_cli.data.tables.table import Record, Report, Table
