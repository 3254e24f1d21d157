"""Convert results to terminal tables, figures and pages. Only this room imports rich and matplotlib.

matplotlib warns if it keeps its font list in a temporary folder, as without a home folder. Its warnings are not shown.
"""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)
