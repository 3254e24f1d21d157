"""Convert results to terminal tables, figures and pages. Only this package imports rich and matplotlib.

matplotlib warns if there is no home folder, since it then keeps its font list in a temporary folder. Its warnings are
not shown.
"""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)
